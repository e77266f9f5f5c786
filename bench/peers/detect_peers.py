"""Runs Presidio or detect-secrets over texts, for bench/detect_peers.ts.

Standard input: one JSON string a line. Standard output: for each line the offsets of what was found, as [[start, end], ...]
in code points, and at the end {"cpu": seconds} of the scan alone, loading left out.
"""
import json
import sys
import time


def presidio():
    """All predefined recognizers that are patterns; no language model, so no names and places."""
    import spacy
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class WithoutModel(SpacyNlpEngine):
        def __init__(self):
            super().__init__()
            self.nlp = {"en": spacy.blank("en")}

        def load(self):
            pass

    analyzer = AnalyzerEngine(nlp_engine=WithoutModel(), supported_languages=["en"])
    ignored = {"DATE_TIME", "URL"}
    return lambda text: [
        [found.start, found.end] for found in analyzer.analyze(text, language="en") if found.entity_type not in ignored
    ]


def detect_secrets(texts):
    """As its command line scans a file: all plugins and filters that are on by default."""
    import os
    import tempfile

    from detect_secrets import SecretsCollection
    from detect_secrets.settings import default_settings

    with tempfile.TemporaryDirectory() as folder, default_settings():
        file = os.path.join(folder, "lines.txt")
        with open(file, "w", encoding="utf-8") as out:
            out.write("\n".join(texts) + "\n")
        secrets = SecretsCollection()
        start = time.process_time()
        secrets.scan_file(file)
        cpu = time.process_time() - start
    results = [[] for _ in texts]
    for _, secret in secrets:
        text = texts[secret.line_number - 1]
        at = text.find(secret.secret_value or "")
        if at >= 0:
            results[secret.line_number - 1].append([at, at + len(secret.secret_value)])
    return results, cpu


def analyzed(texts):
    find = presidio()
    find("warm up: jane@example.com")
    start = time.process_time()
    results = [find(text) for text in texts]
    return results, time.process_time() - start


run = {"presidio": analyzed, "detect-secrets": detect_secrets}[sys.argv[1]]
results, cpu = run([json.loads(line) for line in sys.stdin])
for spans in results:
    print(json.dumps(spans))
print(json.dumps({"cpu": cpu}))
