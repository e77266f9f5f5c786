/**
 * An OTLP/HTTP destination for many records: it keeps a number for each record, the batch it came in. It goes down, refuses,
 * hangs, or cuts the line after it took a batch.
 */
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

type NumbersIn = (body: Buffer, each: (n: number) => void) => void

export class CountingSink {
  /** By record, one more than the number of the batch that it came in; 0: it has not come. */
  readonly #batchOf: Uint32Array
  /** By batch id, its number and how many records it has. */
  readonly #batches = new Map<string, { readonly n: number; readonly records: number }>()
  /** Batches that came again with other records, and with records that had come in another. */
  readonly contradictions: string[] = []
  repeats = 0
  faultsPercent = 0
  hangMs = 0
  readonly #numbersIn: NumbersIn
  readonly #random: () => number
  readonly #sockets = new Set<Socket>()
  #server: http.Server | undefined
  #port = 0

  constructor(records: number, numbersIn: NumbersIn, random: () => number) {
    this.#batchOf = new Uint32Array(records)
    this.#numbersIn = numbersIn
    this.#random = random
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async up(): Promise<void> {
    const server = http.createServer((request, response) => void this.#handle(request, response))
    this.#server = server
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket))
    })
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
  }

  async down(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (!server) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of this.#sockets) socket.resetAndDestroy()
    await closed
  }

  /** Those that have not come; not all, where they are many. */
  missing(): number[] {
    const missing: number[] = []
    for (let n = 0; n < this.#batchOf.length && missing.length < 100_000; n++) if (!this.has(n)) missing.push(n)
    return missing
  }
  has(n: number): boolean {
    return this.#batchOf[n] !== 0
  }

  async #handle(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const pieces: Buffer[] = []
    try {
      for await (const piece of request) pieces.push(piece)
    } catch {
      return
    }
    const chance = this.#random() * 100
    if (chance < this.faultsPercent / 2) {
      response.writeHead(503).end()
      return
    }
    this.#take(String(request.headers['douane-batch-id']), Buffer.concat(pieces))
    if (this.hangMs > 0) await new Promise((resolve) => setTimeout(resolve, this.#random() * this.hangMs))
    if (chance < this.faultsPercent) request.socket.resetAndDestroy()
    else response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
  }

  #take(id: string, body: Buffer): void {
    const known = this.#batches.get(id)
    const n = known?.n ?? this.#batches.size + 1
    let records = 0
    let isContradiction = false
    this.#numbersIn(body, (number) => {
      records++
      const before = this.#batchOf[number]!
      if (before !== 0 && before !== n) isContradiction = true
      this.#batchOf[number] = n
    })
    if (known === undefined) this.#batches.set(id, { n, records })
    else this.repeats++
    if (isContradiction || (known !== undefined && known.records !== records)) this.contradictions.push(id)
  }
}
