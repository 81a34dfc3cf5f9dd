package proxy

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/rerankd/rerankd/internal/inference"
	"github.com/rerankd/rerankd/retriever"
)

// showEndpoints answers what endpoints there are, or one of them.
func (p *Proxy) showEndpoints(w http.ResponseWriter, r *http.Request) {
	t := targetOf(r)
	if t.id == "" || t.id == "_all" || t.id == "*" {
		if t.task != "" && t.task != inference.TaskType && t.task != "any" {
			p.pass(w, r) // of a task that only the cluster has
			return
		}
		of(w).route = RouteInference
		answer, err := p.listEndpoints(r, t)
		p.respond(w, r, answer, err)
		return
	}
	p.onEndpoint(p.showEndpoint)(w, r)
}

// showEndpoint shows one endpoint of this program.
func (p *Proxy) showEndpoint(r *http.Request, t target, e *inference.Endpoint) ([]byte, error) {
	if _, err := parameters(r); err != nil {
		return nil, err
	}
	if err := p.authorize(r, useEndpoints); err != nil {
		return nil, err
	}
	if err := e.CheckTask(t.task); err != nil {
		return nil, err
	}
	return rendered(map[string]any{"endpoints": []inference.Definition{e.Definition()}})
}

// listed is an endpoint in a list.
type listed struct {
	id   string
	text json.RawMessage
}

// listEndpoints lists the endpoints of the cluster and those of this program, by
// id. Where both have one, this program's is the one that is called, and shown. A
// cluster that has no inference API, or not by its licence, has no endpoints; any
// other failure of it is the answer.
func (p *Proxy) listEndpoints(r *http.Request, t target) ([]byte, error) {
	if _, err := parameters(r); err != nil {
		return nil, err
	}
	list, err := p.clusterEndpoints(r, t)
	if err != nil {
		return nil, err
	}
	for _, e := range p.o.Inference.All() {
		d := e.Definition()
		text, err := rendered(d)
		if err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(list, func(other listed) bool { return other.id == d.ID })
		list = append(list, listed{d.ID, text})
	}
	slices.SortStableFunc(list, func(a, b listed) int { return cmp.Compare(a.id, b.id) })
	endpoints := make([]json.RawMessage, len(list))
	for i, e := range list {
		endpoints[i] = e.text
	}
	return rendered(map[string]any{"endpoints": endpoints})
}

// clusterEndpoints asks the cluster for its endpoints. A caller who is shown them
// by the cluster may see those of this program; where the cluster can't say, the
// caller's right is asked for.
func (p *Proxy) clusterEndpoints(r *http.Request, t target) ([]listed, error) {
	path := "/" + inferenceRoot + "/_all"
	if t.task == inference.TaskType {
		path = "/" + inferenceRoot + "/" + t.task + "/_all"
	}
	answer, err := p.consult(r.Context(), r, http.MethodGet, &url.URL{Path: path}, nil)
	var no *refused
	switch {
	case errors.As(err, &no) && (absent(no.res) || unlicensed(no.res)):
		_ = no.res.Body.Close() // it was read as far as it matters
		return nil, p.authorize(r, useEndpoints)
	case err != nil:
		return nil, err
	}
	var a struct {
		Endpoints []json.RawMessage `json:"endpoints"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return nil, fmt.Errorf("%w: %w", retriever.ErrAnswer, err)
	}
	list := make([]listed, len(a.Endpoints))
	for i, text := range a.Endpoints {
		var e struct {
			ID string `json:"inference_id"`
		}
		if err := json.Unmarshal(text, &e); err != nil {
			return nil, fmt.Errorf("%w: %w", retriever.ErrAnswer, err)
		}
		list[i] = listed{e.ID, text}
	}
	return list, nil
}

// createEndpoint makes an endpoint of this program where the body asks for one of
// its models, and passes on the rest.
func (p *Proxy) createEndpoint(w http.ResponseWriter, r *http.Request) {
	t := targetOf(r)
	_, exists := p.o.Inference.Lookup(t.id)
	if exists {
		of(w).route = RouteInference
		p.respond(w, r, nil, p.refuseExisting(r, t.id))
		return
	}
	if !isJSON(r.Header.Get("Content-Type")) || opaque(r.Header) || r.Body == nil {
		p.pass(w, r)
		return
	}
	body, err := hold(r, definitionLimit)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	again := body.replay(r, nil)
	if !body.whole || t.task != "" && t.task != inference.TaskType {
		p.pass(w, again)
		return
	}
	c, err := inference.ParseCreation(body.text)
	switch {
	case err != nil:
		p.passOr(w, again, asRequestError(err))
	case !p.o.Inference.Serves(c), t.task == "" && c.TaskType == "":
		p.passOr(w, again, asRequestError(p.o.Inference.Refuse(c)))
	case !p.o.ManageEndpoints:
		p.passOr(w, again, errManageOff)
	default:
		of(w).route = RouteInference
		answer, err := p.create(r, t.id, c)
		p.respond(w, r, answer, err)
	}
}

// errManageOff is the answer where endpoints may not be made and changed.
var errManageOff = newError(http.StatusForbidden, "security_exception",
	"rerankd is configured by [inference.manage] neither to make nor to change inference endpoints")

// refuseExisting is the answer to the creation of an endpoint that is there, for
// callers who may know it.
func (p *Proxy) refuseExisting(r *http.Request, id string) error {
	if err := p.authorize(r, manageEndpoints); err != nil {
		return err
	}
	return inference.Exists(id)
}

func (p *Proxy) create(r *http.Request, id string, c inference.Creation) ([]byte, error) {
	if _, err := parameters(r, "timeout"); err != nil {
		return nil, err
	}
	if err := p.authorize(r, manageEndpoints); err != nil {
		return nil, err
	}
	if err := inference.CheckID(id); err != nil {
		return nil, err
	}
	if err := p.clusterLacks(r, id); err != nil {
		return nil, err
	}
	e, err := p.o.Inference.Create(id, c)
	if err != nil {
		return nil, kept(err)
	}
	return rendered(e.Definition())
}

// clusterLacks is nil if the cluster has no endpoint of that id, which one of this
// program would hide.
func (p *Proxy) clusterLacks(r *http.Request, id string) error {
	_, err := p.consult(r.Context(), r, http.MethodGet, &url.URL{Path: "/" + inferenceRoot + "/" + id}, nil)
	var no *refused
	switch {
	case err == nil:
		return inference.Exists(id)
	case errors.As(err, &no) && (absent(no.res) || unlicensed(no.res) || no.res.StatusCode == http.StatusNotFound):
		_ = no.res.Body.Close() // it was read as far as it matters
		return nil
	}
	return err
}

// updateEndpoint changes an endpoint of this program.
func (p *Proxy) updateEndpoint(r *http.Request, t target, e *inference.Endpoint) ([]byte, error) {
	if err := p.mayChange(r, t, e, "timeout"); err != nil {
		return nil, err
	}
	body, err := p.jsonBody(r, definitionLimit)
	if err != nil {
		return nil, err
	}
	u, err := inference.ParseUpdate(body)
	if err != nil {
		return nil, err
	}
	changed, err := p.o.Inference.Update(t.id, u)
	if err != nil {
		return nil, kept(err)
	}
	return rendered(changed.Definition())
}

// deleteEndpoint deletes an endpoint of this program. Nothing in the cluster can
// refer to one: it doesn't know it.
func (p *Proxy) deleteEndpoint(r *http.Request, t target, e *inference.Endpoint) ([]byte, error) {
	if err := p.mayChange(r, t, e, "force", "dry_run"); err != nil {
		return nil, err
	}
	query := r.URL.Query()
	force := given(query, "force")
	dry := given(query, "dry_run")
	var err error
	if dry {
		err = p.o.Inference.CheckDelete(t.id, force)
	} else {
		err = p.o.Inference.Delete(t.id, force)
	}
	if err != nil {
		return nil, kept(err)
	}
	return rendered(struct {
		Acknowledged bool     `json:"acknowledged"`
		Pipelines    []string `json:"pipelines"`
		Indexes      []string `json:"indexes"`
	}{!dry, []string{}, []string{}})
}

// mayChange checks what changes and deletions have in common.
func (p *Proxy) mayChange(r *http.Request, t target, e *inference.Endpoint, allowed ...string) error {
	if _, err := parameters(r, allowed...); err != nil {
		return err
	}
	if !p.o.ManageEndpoints {
		return errManageOff
	}
	if err := p.authorize(r, manageEndpoints); err != nil {
		return err
	}
	return e.CheckTask(t.task)
}

// given reports a URL parameter that is true, which is also what one without a
// value is.
func given(query url.Values, name string) bool {
	return query.Has(name) && (query.Get(name) == "" || query.Get(name) == "true")
}

// kept tells a failure to keep the endpoints from a mistake of the request.
func kept(err error) error {
	if _, ok := errors.AsType[*retriever.RequestError](err); ok {
		return err
	}
	return fmt.Errorf("%w: %w", errInternal, err)
}

// rendered encodes an answer without escaping what HTML would want escaped.
func rendered(v any) ([]byte, error) {
	text, err := inference.Render(v)
	if err != nil {
		return nil, fmt.Errorf("%w: encode an answer: %w", errInternal, err)
	}
	return text, nil
}
