"""Drives rerankd with retrieval frameworks, as an application would.

    frameworks_check.py langchain URL INDEX
    frameworks_check.py haystack URL INDEX

URL is rerankd's; INDEX is to be made and is removed in the end. The endpoint "mock" must read scores out of texts, and
for haystack a rule must have ordinary searches reranked by the field "content". Each check prints one line; the first
one that fails ends the program.
"""

import sys

from elasticsearch import Elasticsearch

DOCUMENTS = 25


def equal(got, want):
    if got != want:
        raise AssertionError(f"got {got!r}, want {want!r}")


def check_langchain(url, index):
    """The user writes the reranker into the body; the retriever keeps the order and the whole hit."""
    from langchain_elasticsearch import ElasticsearchRetriever

    def body(question):
        few = {"standard": {"query": {"range": {"n": {"lte": 9}}}}}
        return {
            "size": 3,
            "retriever": {
                "text_similarity_reranker": {
                    "retriever": few, "field": "content", "inference_text": question, "inference_id": "mock",
                }
            },
        }

    with Elasticsearch(url, max_retries=0) as client:
        client.indices.create(index=index, mappings={"_meta": {"rerankd": "e2e"}, "properties": {"content": {"type": "text"}}})
        try:
            for n in range(DOCUMENTS):
                client.index(index=index, id=str(n), document={"n": n, "content": str(n * 7 % 10)})
            client.indices.refresh(index=index)
            retriever = ElasticsearchRetriever(index_name=index, body_func=body, content_field="content", client=client)
            found = retriever.invoke("what is it?")
            equal([document.page_content for document in found], ["9", "8", "7"])
            equal([document.metadata["_score"] for document in found], [10.0, 9.0, 8.0])
            equal([document.metadata["_source"]["n"] for document in found], [7, 4, 1])
        finally:
            client.indices.delete(index=index, ignore_unavailable=True)


def check_haystack(url, index):
    """The store asks for page after page until it has all that the total promises: that must end."""
    from haystack import Document
    from haystack_integrations.components.retrievers.elasticsearch import ElasticsearchBM25Retriever
    from haystack_integrations.document_stores.elasticsearch import ElasticsearchDocumentStore

    store = ElasticsearchDocumentStore(
        hosts=url, index=index, headers={"X-Rerankd-Rerank": "true"}, max_retries=0,
        custom_mapping={"_meta": {"rerankd": "e2e"}, "properties": {"content": {"type": "text"}, "word": {"type": "text"}}},
    )
    texts = [str(n * 7 % DOCUMENTS) for n in range(DOCUMENTS)]
    try:
        equal(store.write_documents([Document(id=str(n), content=text, meta={"word": "pump"}) for n, text in enumerate(texts)]), DOCUMENTS)
        store.client.indices.refresh(index=index)
        equal(store.count_documents(), DOCUMENTS)
        # More than there are: pages until the total is reached.
        found = ElasticsearchBM25Retriever(document_store=store, top_k=40, fuzziness="0").run(query="pump")["documents"]
        equal(sorted(d.content for d in found), sorted(texts))
        # The window of ten is reranked, and the rest follows.
        head = [int(d.content) for d in found[:10]]
        equal(head, sorted(head, reverse=True))
        # Pages of the default size, by a filter alone.
        every = store.filter_documents({"field": "meta.word", "operator": "==", "value": "pump"})
        equal(sorted(d.content for d in every), sorted(texts))
    finally:
        store.client.indices.delete(index=index, ignore_unavailable=True)


def main():
    name, url, index = sys.argv[1:]
    check = {"langchain": check_langchain, "haystack": check_haystack}[name]
    check(url, index)
    print("ok", check.__name__, flush=True)


if __name__ == "__main__":
    main()
