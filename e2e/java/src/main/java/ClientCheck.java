import co.elastic.clients.elasticsearch.ElasticsearchClient;
import co.elastic.clients.elasticsearch._types.ElasticsearchException;
import co.elastic.clients.elasticsearch._types.Refresh;
import co.elastic.clients.elasticsearch._types.Retriever;
import co.elastic.clients.elasticsearch.core.BulkRequest;
import co.elastic.clients.elasticsearch.core.SearchResponse;
import co.elastic.clients.elasticsearch.core.search.Hit;
import co.elastic.clients.json.JsonData;
import co.elastic.clients.json.jackson.JacksonJsonpMapper;
import co.elastic.clients.transport.rest_client.RestClientTransport;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.http.HttpHost;
import org.elasticsearch.client.RestClient;

/**
 * Drives rerankd with Elastic's own Java client, as an application would. Arguments are rerankd's address and an index,
 * which is made and removed in the end; the endpoint "mock" must read scores out of texts. Each check prints one line;
 * the first one that fails ends the program.
 */
public final class ClientCheck {
    private static final int DOCUMENTS = 25;

    private final ElasticsearchClient client;
    private final String index;

    private ClientCheck(ElasticsearchClient client, String index) {
        this.client = client;
        this.index = index;
    }

    public static void main(String[] args) throws Exception {
        // The client wants the product's header on every answer, and sends typed_keys with every search.
        try (RestClientTransport transport = new RestClientTransport(
                RestClient.builder(HttpHost.create(args[0])).build(), new JacksonJsonpMapper())) {
            ElasticsearchClient client = new ElasticsearchClient(transport);
            ClientCheck check = new ClientCheck(client, args[1]);
            try {
                check.indexing();
                check.search();
                check.aggregations();
                check.multiSearch();
                check.errors();
            } finally {
                client.indices().delete(d -> d.index(args[1]).ignoreUnavailable(true));
            }
        }
    }

    private static void equal(Object got, Object want) {
        if (!Objects.equals(got, want)) {
            throw new AssertionError("got " + got + ", want " + want);
        }
    }

    private static void ok(String name) {
        System.out.println("ok " + name);
    }

    private Retriever reranker(String endpoint) {
        Retriever few = Retriever.of(r -> r.standard(s -> s.query(q -> q.range(n -> n.untyped(u -> u.field("n").lte(JsonData.of(9)))))));
        return Retriever.of(r -> r.textSimilarityReranker(t -> t
                .retriever(few).field("score").inferenceText("q").inferenceId(endpoint).rankWindowSize(10)));
    }

    private static List<String> ids(List<? extends Hit<?>> hits) {
        return hits.stream().map(Hit::id).toList();
    }

    private void indexing() throws Exception {
        client.indices().create(c -> c.index(index).mappings(m -> m
                .meta("rerankd", JsonData.of("e2e")).properties("score", p -> p.text(t -> t))));
        BulkRequest.Builder bulk = new BulkRequest.Builder().refresh(Refresh.True);
        for (int n = 0; n < DOCUMENTS; n++) {
            String id = Integer.toString(n);
            Map<String, Object> document = Map.of("n", n, "score", Integer.toString(n * 7 % 10));
            bulk.operations(o -> o.index(i -> i.index(index).id(id).document(document)));
        }
        equal(client.bulk(bulk.build()).errors(), false);
        equal(client.count(c -> c.index(index)).count(), (long) DOCUMENTS);
        equal(client.indices().exists(e -> e.index(index)).value(), true);
        ok("indexing");
    }

    private void search() throws Exception {
        SearchResponse<Map> answer = client.search(s -> s.index(index).retriever(reranker("mock")).size(3), Map.class);
        equal(ids(answer.hits().hits()), List.of("7", "4", "1"));
        equal(answer.hits().hits().stream().map(Hit::score).toList(), List.of(10.0, 9.0, 8.0));
        equal(answer.hits().total().value(), 10L);
        equal(answer.hits().hits().get(0).source().get("n"), 7);
        ok("search");
    }

    private void aggregations() throws Exception {
        SearchResponse<Void> answer = client.search(s -> s.index(index).retriever(reranker("mock")).size(0)
                .aggregations("most", a -> a.max(m -> m.field("n"))), Void.class);
        equal(answer.aggregations().get("most").max().value(), 9.0);
        ok("aggregations");
    }

    /** The client sends the lines of a multi search under the type of one body, and has no retriever in them. */
    private void multiSearch() throws Exception {
        var answer = client.msearch(m -> m
                .searches(s -> s.header(h -> h.index(index)).body(b -> b.query(q -> q.term(t -> t.field("n").value(5)))))
                .searches(s -> s.header(h -> h.index(index)).body(b -> b.query(q -> q.term(t -> t.field("n").value(7))))), Map.class);
        equal(answer.responses().stream().map(r -> ids(r.result().hits().hits())).toList(), List.of(List.of("5"), List.of("7")));
        ok("multiSearch");
    }

    private void errors() throws Exception {
        try {
            client.search(s -> s.index(index).retriever(reranker("none")), Map.class);
        } catch (ElasticsearchException e) {
            equal(e.status(), 404);
            equal(e.error().type(), "status_exception");
            ok("errors");
            return;
        }
        throw new AssertionError("no exception for an unknown endpoint");
    }
}
