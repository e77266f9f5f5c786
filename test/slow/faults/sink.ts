/**
 * An OTLP/HTTP destination that goes down and comes back on its port, refuses at random, and keeps which records came
 * under which batch id. It counts what it has read in full as taken, also where the sender never sees the answer.
 */
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { bodiesOf } from '../../e2e/requests.ts'
import { decodeRequest } from '../../oracle/otlp.ts'

export class Sink {
  /** By batch id, the records of its first coming, joined. */
  readonly batches = new Map<string, string>()
  /** By record, the batch ids under which it came. */
  readonly ids = new Map<string, Set<string>>()
  /** Batch ids that came again with other records: never. */
  readonly contradictions: string[] = []
  repeats = 0
  readonly #random: () => number
  readonly #sockets = new Set<Socket>()
  #server: http.Server | undefined
  #port = 0
  /** How many of a hundred requests go wrong. */
  faultsPercent = 0

  constructor(random: () => number) {
    this.#random = random
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async up(): Promise<void> {
    if (this.#server) return
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

  /** As a killed process: connections are cut wherever they are. */
  async down(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (!server) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of this.#sockets) socket.resetAndDestroy()
    await closed
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
    // It has the records, and the sender does not hear of it.
    if (chance < this.faultsPercent) request.socket.resetAndDestroy()
    else response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
  }

  #take(id: string, body: Buffer): void {
    const records = bodiesOf([decodeRequest(body)])
    const joined = records.join()
    const before = this.batches.get(id)
    if (before !== undefined) {
      this.repeats++
      if (before !== joined) this.contradictions.push(id)
    }
    this.batches.set(id, before ?? joined)
    for (const record of records) {
      const ids = this.ids.get(record) ?? new Set()
      this.ids.set(record, ids.add(id))
    }
  }
}
