"""Sends records by the official Python SDK: send.py PROTOCOL COMPRESSION ENDPOINT RULE COUNT."""

import sys

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

protocol, compression, endpoint, rule, count = sys.argv[1:]

if protocol == "grpc":
    from grpc import Compression
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

    chosen = Compression.Gzip if compression == "gzip" else Compression.NoCompression
    exporter = OTLPLogExporter(endpoint=endpoint, insecure=True, compression=chosen)
else:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    exporter = OTLPLogExporter(endpoint=f"http://{endpoint}/v1/logs", compression=Compression(compression))

provider = LoggerProvider(resource=Resource.create({"service.name": "sdk", "rule": rule}))
provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
logger = provider.get_logger("scope", "1.2.3")
for n in range(int(count)):
    logger.emit(
        LogRecord(
            timestamp=1_700_000_000_000_000_000 + n,
            severity_number=SeverityNumber.INFO,
            severity_text="INFO",
            body=f"record {n} ünïcode 🛃",
            event_name="document.opened",
            attributes={"n": n, "flag": True, "ratio": 0.5, "list": ["a", "b"], "nested": {"deep": {"n": n}}},
        )
    )
provider.shutdown()
