/** OTLP/JSON: `jsonToWire` at the edge where it comes in, `wireToJson` where it goes out. */
export { jsonToWire, jsonToWireSteps, wireBytesMax } from './json_parse.ts'
export { wireToJson, wireToJsonBytes } from './json_write.ts'
