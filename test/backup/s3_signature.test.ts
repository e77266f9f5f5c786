/** The examples of Amazon's "Authenticating Requests (AWS Signature Version 4)", single chunk. */
import { describe, expect, test } from 'vitest'
import { queryText, type S3Request, signed } from '../../src/backup/s3_signature.ts'

const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
}
const nowMs = Date.UTC(2013, 4, 24)
const host = 'examplebucket.s3.amazonaws.com'
const nothing = new Uint8Array()

const examples: [name: string, request: S3Request, signature: string][] = [
  [
    'GET Object',
    { method: 'GET', host, path: '/test.txt', query: {}, headers: { range: 'bytes=0-9' }, body: nothing },
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  ],
  [
    'PUT Object',
    {
      method: 'PUT',
      host,
      path: '/test%24file.text',
      query: {},
      headers: { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
      body: Buffer.from('Welcome to Amazon S3.'),
    },
    '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  ],
  [
    'GET Bucket Lifecycle',
    { method: 'GET', host, path: '/', query: { lifecycle: '' }, body: nothing },
    'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  ],
  [
    'List Objects',
    { method: 'GET', host, path: '/', query: { prefix: 'J', 'max-keys': '2' }, body: nothing },
    '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  ],
]

describe('requests to S3', () => {
  test.each(examples)('%s is signed as Amazon signs it', (_name, request, signature) => {
    const { authorization } = signed(request, credentials, 'us-east-1', nowMs)
    expect(authorization).toMatch(new RegExp(`Signature=${signature}$`))
    expect(authorization).toContain('Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,')
  })
  test('a temporary token is signed along', () => {
    const headers = signed(examples[0]![1], { ...credentials, sessionToken: 'token' }, 'us-east-1', nowMs)
    expect(headers['authorization']).toContain('x-amz-security-token')
  })
  test('a query is encoded and sorted by its bytes', () => {
    expect(queryText({ prefix: "a/b c'é", 'list-type': '2' })).toBe('list-type=2&prefix=a%2Fb%20c%27%C3%A9')
  })
})
