// Node's Buffer has these since ever and documents none of them; @types/node leaves them out. They take a byte range
// and no encoding argument, which makes them the quickest way between bytes and strings.
interface Buffer {
  latin1Slice(start: number, end: number): string
  base64urlSlice(start: number, end: number): string
  utf8Slice(start: number, end: number): string
  utf8Write(text: string, offset: number, length: number): number
  latin1Write(text: string, offset: number, length: number): number
}
