"""The recipe of rerankd's default models: see ../README.md."""
