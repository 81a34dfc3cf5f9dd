"""Query and passage pairs for the reference vectors: varied on purpose."""

import random

TOPICS = [
    ("how do I read a file line by line", "A Scanner reads input and splits it into lines; call Scan until it returns false."),
    ("what causes the tides", "The Moon's gravity pulls the oceans, so the water rises twice a day on most coasts."),
    ("best way to store passwords", "Keep only a slow salted hash, such as argon2id, and never the password itself."),
    ("symptoms of vitamin D deficiency", "Tiredness, bone pain and muscle weakness may point to a lack of vitamin D."),
    ("who wrote the first computer program", "Ada Lovelace published an algorithm for the Analytical Engine in 1843."),
    ("repair a flat bicycle tyre", "Remove the wheel, find the hole in the tube, roughen it, and press a patch on."),
    ("why is the sky blue", "Short wavelengths scatter more strongly in air, which colours the daylight sky."),
    ("cancel a context in Go", "Call the cancel function that WithCancel returned; Done is closed and Err tells why."),
    ("cheap flights to Lisbon in May", "Fares to Lisbon are lowest on Tuesdays; book about seven weeks ahead."),
    ("difference between TCP and UDP", "TCP delivers an ordered stream of bytes, UDP sends single datagrams without a promise."),
]

SPECIAL = [
    "a [SEP] in the middle", "[CLS] at the start", "at the end [PAD]", "[MASK][MASK][MASK]", "[UNK]", "glued[SEP]word",
    "[sep] [Sep] [cls] lower case", "\uff3bSEP\uff3d full width", "<s> a </s> b <pad> c <mask> d <unk>", "x</s></s>y<s>",
    "[ SEP ] spaced", "[SEP", "SEP]", "<S> </S>", "\u2581<s>\u2581</s>", "\uff1c/s\uff1e", "[CLS] relevant [SEP] forged [SEP]",
]

UNICODE = [
    "日本の首都は東京です。人口は約千四百万人。", "中文分词测试：北京大学的学生喜欢吃苹果。", "안녕하세요 세계, 서울의 날씨는 맑음", "Привет, мир! Как дела?",
    "مرحبا بالعالم هذا نص من اليمين إلى اليسار", "שלום עולם, זה טקסט מימין לשמאל", "ภาษาไทยไม่มีช่องว่างระหว่างคำ", "नमस्ते दुनिया, यह एक परीक्षण है",
    "e\u0301 e\u0300 a\u0308 combining n\u0303 and z\u0335\u0335\u0335 stacked", "café naïve façade Ångström Øre", "ﬁ ﬂ ﬃ ligatures ½ ² ™ ℃ №",
    "😀 😃 👍🏽 👨‍👩‍👧‍👦 🇩🇪 emoji", "text😀glued🚀to🎉emoji", "İstanbul ISPARTA ıspanak ŞŞ", "Straße GROẞ straße", "ΣΊΣΥΦΟΣ Σίσυφος ς",
    "\u200bzero\u200bwidth\u200d\u200c\ufeff", "\u202eright to left override\u202c", "\u00a0no\u00a0break\u2003em\u2009thin\u3000wide", "𝕄𝕒𝕥𝕙 𝓼𝓬𝓻𝓲𝓹𝓽 𐍈 𠜎𠜱",
    "\ufffd replacement \ufffd", "\u0001\u0002 control \u007f \u0085 characters", "Ｆｕｌｌ　Ｗｉｄｔｈ　ＡＢＣ１２３", "ｱｲｳｴｵ half width", "クﾞ ガ か\u3099",
]

OTHER = [
    "", " ", "   \t\n\r  ", ".", "?!?!?!", "a", "A", "0", "-1.5e-10", "3.14159 2,718,281 0x1F 1_000 1e9", "192.168.0.1:8080", "2026-11-23T23:48:12Z",
    "https://example.org/a/b?c=d&e=f#g", "someone@example.org", "C:\\Program Files\\x", "/usr/lib/x86_64-linux-gnu/libm.so.6",
    "for i := range 10 { fmt.Println(i) }", "SELECT * FROM t WHERE a='b';-- ", "if (x<y && y>z) { return !x; }", "{\"a\": [1, 2, {\"b\": null}]}",
    "<div class=\"x\">&amp; &lt;</div>", "$\\frac{a}{b}$ ∑ ∫ ≤ ≠ ∞", "don't can't it's we're I'd", "state-of-the-art e-mail U.S.A. Ph.D.", "##ing ##s # ## ###",
    "x" * 99, "x" * 100, "x" * 101, "supercalifragilisticexpialidocious antidisestablishmentarianism", "a b c d e f g h i j k l m n o p q r s t u v w x y z",
    "line one\nline two\r\nline three\n\n\nline four", "tab\tseparated\tvalues", "  leading and trailing  ", "UPPER lower MiXeD cAsE", "the the the the the", "____", "--- *** +++ ===",
]

LONG = [
    ("word ", 2000), ("The quick brown fox jumps over the lazy dog. ", 120), ("tide moon ocean\n", 3400), ("日本語の長い文章", 90), ("very long text, and then some more 123. ", 1250),
    ("x", 5000), ("é", 700), ("😀", 300), ("a.", 260), ("Привет мир ", 100), ("[SEP] ", 200), (" ", 3000), ("line\n", 300), ("غ", 400), ("many words without an end ", 2000),
]


def pairs():
    """Returns a list of dicts: query, passage, and how often each is repeated."""
    out = []

    def add(query, passage, query_repeat=1, passage_repeat=1):
        out.append({"query": query, "passage": passage, "query_repeat": query_repeat, "passage_repeat": passage_repeat})

    rng = random.Random(7)
    for i, (q, p) in enumerate(TOPICS):
        add(q, p)
        add(q, TOPICS[(i + 3) % len(TOPICS)][1])
        add(q, " ".join(t[1] for t in rng.sample(TOPICS, 4)))
    for s in SPECIAL + UNICODE + OTHER:
        add(TOPICS[len(out) % len(TOPICS)][0], s)
        add(s, TOPICS[len(out) % len(TOPICS)][1])
    for text, n in LONG:
        add("short query", text, passage_repeat=n)
        add(text, "a short passage", query_repeat=min(n, 400))
    add("query word ", "passage word ", 200, 200)
    add("query word ", "passage word ", 70, 40)
    add("query word ", "passage word ", 40, 70)
    for n in range(118, 134):  # around the half and the limit of 256 tokens
        add("w ", "v ", n, 253 - n + n % 3)
    words = " ".join(q + " " + p for q, p in TOPICS).split() + UNICODE
    for n in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233):
        add(" ".join(rng.choices(words, k=min(n, 30))), " ".join(rng.choices(words, k=n)))
    return out
