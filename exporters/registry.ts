/** Every exporter there is. A new one is added here, and nowhere else. */
import type { ExporterComponent } from '../src/contract.ts'
import { debug } from './debug.ts'
import { file } from './file.ts'
import { nop } from './nop.ts'
import { otlpGrpc } from './otlp_grpc.ts'
import { otlpHttp } from './otlp_http.ts'
import { postgres } from './postgres/index.ts'

export const exporters: readonly ExporterComponent[] = [otlpHttp, otlpGrpc, postgres, file, debug, nop]
