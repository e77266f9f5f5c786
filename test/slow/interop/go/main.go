// Sends records by the official Go SDK: send PROTOCOL COMPRESSION ENDPOINT RULE COUNT.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	protocol, compression, endpoint, rule := args[0], args[1], args[2], args[3]
	count, err := strconv.Atoi(args[4])
	if err != nil {
		return err
	}
	exporter, err := newExporter(ctx, protocol, compression, endpoint)
	if err != nil {
		return err
	}
	provider := sdklog.NewLoggerProvider(
		sdklog.WithResource(resource.NewSchemaless(attribute.String("service.name", "sdk"), attribute.String("rule", rule))),
		sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter, sdklog.WithMaxQueueSize(count))),
	)
	logger := provider.Logger("scope", log.WithInstrumentationVersion("1.2.3"))
	for n := range count {
		var record log.Record
		record.SetTimestamp(time.Unix(1_700_000_000, int64(n)))
		record.SetSeverity(log.SeverityInfo)
		record.SetSeverityText("INFO")
		record.SetEventName("document.opened")
		record.SetBody(attribute.StringValue(fmt.Sprintf("record %d ünïcode 🛃", n)))
		record.AddAttributes(
			attribute.Int("n", n),
			attribute.Bool("flag", true),
			attribute.Float64("ratio", 0.5),
			attribute.Slice("list", attribute.StringValue("a"), attribute.StringValue("b")),
			attribute.Map("nested", attribute.Map("deep", attribute.Int("n", n))),
		)
		logger.Emit(ctx, record)
	}
	return provider.Shutdown(ctx)
}

func newExporter(ctx context.Context, protocol, compression, endpoint string) (sdklog.Exporter, error) {
	if protocol == "grpc" {
		options := []otlploggrpc.Option{otlploggrpc.WithEndpoint(endpoint), otlploggrpc.WithInsecure()}
		if compression == "gzip" {
			options = append(options, otlploggrpc.WithCompressor("gzip"))
		}
		return otlploggrpc.New(ctx, options...)
	}
	chosen := otlploghttp.NoCompression
	if compression == "gzip" {
		chosen = otlploghttp.GzipCompression
	}
	return otlploghttp.New(ctx, otlploghttp.WithEndpoint(endpoint), otlploghttp.WithInsecure(), otlploghttp.WithCompression(chosen))
}
