// Drives rerankd with Elastic's own JavaScript client, as an application would.
//
//     node client_check.mjs URL INDEX
//
// URL is rerankd's, with credentials if the cluster wants some; INDEX is to be made and is removed in the end. The
// endpoint "mock" must read scores out of texts. Each check prints one line; the first one that fails ends the program.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import path from 'node:path'

// The client lies in the folder that it was installed into, not beside this file.
const { Client, errors } = createRequire(path.join(process.cwd(), 'here.js'))('@elastic/elasticsearch')

const [url, index] = process.argv.slice(2)
const documents = 25

function reranker (more = {}) {
  return {
    text_similarity_reranker: {
      retriever: { standard: { query: { range: { n: { lte: 9 } } } } },
      field: 'score',
      inference_text: 'q',
      inference_id: 'mock',
      ...more
    }
  }
}

const ids = answer => answer.hits.hits.map(hit => hit._id)

const checks = {
  async indexing (client) {
    await client.indices.create({ index, mappings: { _meta: { rerankd: 'e2e' }, properties: { score: { type: 'text' } } } })
    const datasource = Array.from({ length: documents }, (_, n) => ({ n, score: String(n * 7 % 10), title: `document ${n} <é>` }))
    const done = await client.helpers.bulk({
      datasource, refreshOnCompletion: true, flushBytes: 1000, onDocument: doc => ({ index: { _index: index, _id: String(doc.n) } })
    })
    assert.deepEqual([done.successful, done.failed], [documents, 0])
    assert.equal((await client.count({ index })).count, documents)
  },

  async search (client) {
    const answer = await client.search({ index, retriever: reranker(), size: 3, _source: ['n'] })
    assert.deepEqual(ids(answer), ['7', '4', '1'])
    assert.deepEqual(answer.hits.hits.map(hit => hit._score), [10, 9, 8])
    assert.deepEqual(answer.hits.hits.map(hit => hit._source), [{ n: 7 }, { n: 4 }, { n: 1 }])
    assert.deepEqual(answer.hits.total, { value: 10, relation: 'eq' })
  },

  async headers (client) {
    const { headers, statusCode } = await client.search({ index, retriever: reranker() }, { meta: true })
    assert.deepEqual([statusCode, headers['x-rerankd-outcome'], headers['x-elastic-product']], [200, 'reranked', 'Elasticsearch'])
  },

  async multiSearch (client) {
    const { responses } = await client.msearch({ searches: [{ index }, { query: { term: { n: 5 } } }, { index }, { retriever: reranker(), size: 1 }] })
    assert.deepEqual(responses.map(ids), [['5'], ['7']])
  },

  async errors (client) {
    await assert.rejects(client.search({ index, retriever: reranker({ min_scor: 1 }) }), e => {
      return e instanceof errors.ResponseError && e.statusCode === 400 && /did you mean \[min_score\]\?/.test(e.meta.body.error.reason)
    })
    await assert.rejects(client.search({ index, retriever: reranker({ inference_id: 'none' }) }), e => {
      return e instanceof errors.ResponseError && e.statusCode === 404 && /Inference endpoint not found \[none\]/.test(JSON.stringify(e.meta.body))
    })
  }
}

for (const compression of [false, true]) {
  const client = new Client({ node: url, compression, maxRetries: 0 })
  try {
    for (const [name, check] of Object.entries(checks)) {
      await check(client)
      console.log('ok', name, compression ? 'packed' : 'plain')
    }
  } finally {
    await client.indices.delete({ index }, { ignore: [404] })
    await client.close()
  }
}
