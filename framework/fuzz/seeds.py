#!/usr/bin/env python3
"""Makes first inputs for the fuzz targets of the cases in tests/kopf/vectors: python3 framework/fuzz/seeds.py

They go where cargo-fuzz looks for them, framework/fuzz/corpus, beside what it finds itself.
"""

import json
import pathlib
import zlib

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = HERE.parent.parent / "tests" / "kopf" / "vectors"
# Of each kind: a short run is to do more than read its seeds.
COUNT = 60


def main():
    write("cycle", cycles())
    write("diff", diffs())
    write("patch", patches())
    write("storage", storages())


def write(target, seeds):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (folder / f"seed-{number}").write_bytes(seed)


def cases(subject):
    with open(VECTORS / f"{subject}.jsonl", encoding="ascii") as lines:
        return [json.loads(line) for line in lines]


def some(items):
    items = list(items)
    return items[:: max(1, len(items) // COUNT)]


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def records():
    return [case["kopf"].encode() for case in cases("progress") if case["of"] == "text"]


def cycles():
    """What comes of the handlers' attempts, where things are kept and options; then what is kept, a line each."""
    essences = [b"", b'{"spec":{"x":1}}', b'{"spec":{"x":2}}']
    basis = b'{"beside":"","essence":{"spec":{"x":3}}}'
    texts = [b"", *some(records())]
    for number in range(COUNT):
        kept = [essences[number % 3], [b"", basis][number % 2]]
        lines = kept + [texts[number * step % len(texts)] for step in range(6)]
        yield (number * 7919).to_bytes(4, "little") + bytes([number % 3, number * 37 % 256]) + b"\n".join(lines)


def diffs():
    given = [case["in"] for case in cases("diffs") + cases("reductions")]
    return [compact([case["old"], case["new"]]) for case in some(given)]


def patches():
    """The object, what is asked for twice, what a function makes of the spec, what is kept, and options."""
    bodies = [case["in"]["body"] for case in cases("essences")]
    for number, (body, asked) in enumerate(zip(some(bodies), some(reversed(bodies)))):
        yield compact([body, asked, {"spec": body}, asked.get("spec"), [None, "x"][number % 2], number % 16])


def storages():
    """The target's first byte chooses: here the place, then whether it is read as text, inflated or JSON, or written."""
    essences = [compact(case["kopf"]) for case in cases("essences")]
    for texts in some(records()), some(essences):
        for number, text in enumerate(texts):
            place = number % 3
            yield bytes([ord("0") + place]) + text
            yield bytes([ord("<") + place]) + deflated(text)
            yield bytes([ord("H") + place]) + compact({"kopf.zalando.org/handler.field": text.decode()})
            yield bytes([ord("T") + number % 12]) + text


def deflated(text):
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(text) + compressor.flush()


if __name__ == "__main__":
    main()
