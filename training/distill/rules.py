"""Queries made from passages by rules, so that every passage is trained on, also those without a labelled query.

Each form is one that people type: a few keywords, an exact phrase, a title, a short question, a sentence as a claim. What the words mean is not known
here; whether a passage answers a query is for the teachers to say.
"""

import re

SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(])")
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9'\-]*")
QUESTIONS = ("what is {}", "what are {}", "who is {}", "how does {} work", "define {}", "why {}", "{} meaning", "how to {}", "where is {}", "when was {}", "tell me about {}", "explain {}")


def sentences(text):
    return [s.strip() for s in SENTENCE.split(text) if len(WORD.findall(s)) >= 3] or [text]


def title(text):
    """The passage's title where its first sentence looks like one: short, and followed by more."""
    head, _, rest = text.partition(". ")
    words = WORD.findall(head)
    return head if rest and 1 <= len(words) <= 10 else None


def keywords(text, rare, rng, most=5):
    """Two to five of the rarest words of one or two neighbouring sentences, in text order. rare: word → inverse document frequency."""
    parts = sentences(text)
    at = rng.randrange(len(parts))
    words = WORD.findall(" ".join(parts[at : at + 2]))[:60]
    distinct = list(dict.fromkeys(w for w in words if len(w) > 2))
    if len(distinct) < 2:
        return None
    by_rarity = sorted(distinct, key=lambda w: -rare.get(w.lower(), 0.0) + rng.random() * 1.5)
    kept = set(by_rarity[: rng.randint(2, most)])
    return " ".join(w for w in distinct if w in kept).lower()


def phrase(text, rng):
    """Three to eight words in a row."""
    words = sentences(text)[rng.randrange(len(sentences(text)))].split()
    n = min(len(words), rng.randint(3, 8))
    at = rng.randrange(len(words) - n + 1)
    return " ".join(words[at : at + n]).strip(".,;:()\"'")


def claim(text, rng):
    """One sentence of 5 to 30 words, whole or with every fifth word or so left out."""
    whole = [s for s in sentences(text) if 5 <= len(s.split()) <= 30]
    if not whole:
        return None
    words = whole[rng.randrange(len(whole))].rstrip(".!?").split()
    if rng.random() < 0.5:
        words = [w for w in words if rng.random() > 0.2] or words
    return " ".join(words)


def question(text, rare, rng):
    """A question about the title, or about the rarest words of a sentence."""
    about = title(text) if rng.random() < 0.6 else None
    about = about or keywords(text, rare, rng, most=3)
    return QUESTIONS[rng.randrange(len(QUESTIONS))].format(about.strip("?").lower()) if about else None


def queries(text, rare, rng, count=2):
    """count distinct queries for a passage, of forms drawn at random; fewer where the passage is too short for them."""
    forms = [
        (0.36, lambda: keywords(text, rare, rng)),
        (0.16, lambda: phrase(text, rng)),
        (0.10, lambda: title(text)),
        (0.20, lambda: question(text, rare, rng)),
        (0.18, lambda: claim(text, rng)),
    ]
    out = []
    for _ in range(3 * count):
        form = rng.choices([f for _, f in forms], [w for w, _ in forms])[0]
        made = form()
        if made and 1 <= len(made.split()) <= 40 and made not in out:
            out.append(made)
        if len(out) == count:
            break
    return out
