"""Drives rerankd with Elastic's own Python client, as an application would.

    client_check.py URL INDEX

URL is rerankd's, with credentials if the cluster wants some; INDEX is to be made and is removed in the end. The
endpoint "mock" must read scores out of texts. Each check prints one line; the first one that fails ends the program.
"""

import sys

import elasticsearch
from elasticsearch import Elasticsearch, helpers

DOCUMENTS = 250  # of which one to ten hold the number that the mock gives as score


def actions(index):
    for n in range(DOCUMENTS):
        text = str(n) if n <= 10 else "no number"
        yield {"_index": index, "_id": str(n), "_source": {"n": n, "score": text, "title": f"document {n} <é>"}}


def reranker(endpoint="mock", **more):
    few = {"standard": {"query": {"range": {"n": {"gte": 1, "lte": 10}}}}}
    return {
        "text_similarity_reranker": {
            "retriever": few,
            "field": "score",
            "inference_text": "q",
            "inference_id": endpoint,
            **more,
        }
    }


def equal(got, want):
    if got != want:
        raise AssertionError(f"got {got!r}, want {want!r}")


def ids(answer):
    return [hit["_id"] for hit in answer["hits"]["hits"]]


def check_indexing(client, index):
    client.indices.create(
        index=index,
        settings={"number_of_shards": 1, "number_of_replicas": 0},
        mappings={"_meta": {"rerankd": "e2e"}, "properties": {"score": {"type": "text"}}},
    )
    done, failed = helpers.bulk(client, actions(index), chunk_size=70, refresh=True)
    equal((done, failed), (DOCUMENTS, []))
    equal(client.count(index=index)["count"], DOCUMENTS)


def check_exists(client, index):
    equal(bool(client.indices.exists(index=index)), True)
    equal(bool(client.indices.exists(index=index + "-absent")), False)
    equal(client.get(index=index, id="7")["_source"]["title"], "document 7 <é>")


def check_scan(client, index):
    found = helpers.scan(client, index=index, query={"query": {"match_all": {}}}, size=60)
    equal(sorted(int(hit["_id"]) for hit in found), list(range(DOCUMENTS)))


def check_search(client, index):
    answer = client.search(index=index, retriever=reranker(), size=3, source_includes="n")
    equal(ids(answer), ["10", "9", "8"])
    equal([hit["_score"] for hit in answer["hits"]["hits"]], [11.0, 10.0, 9.0])
    equal([hit["_source"] for hit in answer["hits"]["hits"]], [{"n": 10}, {"n": 9}, {"n": 8}])
    equal(answer["hits"]["total"], {"value": 10, "relation": "eq"})
    equal(answer.meta.headers["x-rerankd-outcome"], "reranked")


def check_search_of_everything(client, index):
    answer = client.search(
        index=[index],
        retriever=reranker(min_score=4, rank_window_size=10, filter=[{"range": {"n": {"lt": 9}}}]),
        source=False,
        fields=["n"],
        highlight={"fields": {"title": {}}},
        track_total_hits=True,
    )
    equal(ids(answer), ["8", "7", "6", "5", "4"])
    equal(answer["hits"]["hits"][0]["fields"], {"n": [8]})


def check_plain_search(client, index):
    answer = client.search(index=index, query={"term": {"n": 5}})
    equal(ids(answer), ["5"])


def check_multi_search(client, index):
    header = {"index": index}
    several = client.msearch(searches=[header, {"query": {"term": {"n": 5}}}, header, {"retriever": reranker(), "size": 1}])
    equal([one["status"] for one in several["responses"]], [200, 200])
    equal([ids(one) for one in several["responses"]], [["5"], ["10"]])


def check_errors(client, index):
    expect(elasticsearch.BadRequestError, "Required [retriever, inference_text, field]", index,
           client, {"text_similarity_reranker": {}})
    expect(elasticsearch.BadRequestError, "did you mean [min_score]?", index, client, reranker(min_scor=1))
    expect(elasticsearch.NotFoundError, "Inference endpoint not found [none]", index, client, reranker(endpoint="none"))
    expect(elasticsearch.NotFoundError, "no such index", index + "-absent", client, reranker())


def expect(kind, reason, index, client, retriever):
    try:
        client.search(index=index, retriever=retriever)
    except kind as e:
        if reason not in str(e.body):
            raise AssertionError(f"{e.body} does not say {reason!r}") from e
        return
    raise AssertionError(f"no {kind.__name__}")


CHECKS = [
    check_indexing, check_exists, check_scan, check_search, check_search_of_everything, check_plain_search,
    check_multi_search, check_errors,
]


def main():
    url, index = sys.argv[1:]
    # The client checks the product by a header of every first answer; retries would hide a dropped connection.
    for compress in (False, True):
        with Elasticsearch(url, http_compress=compress, max_retries=0, request_timeout=60) as client:
            try:
                for check in CHECKS:
                    check(client, index)
                    print("ok", check.__name__, "packed" if compress else "plain", flush=True)
            finally:
                client.indices.delete(index=index, ignore_unavailable=True)


if __name__ == "__main__":
    main()
