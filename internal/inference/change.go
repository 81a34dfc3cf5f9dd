package inference

import (
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/rerankd/rerankd/retriever"
)

// Create makes an endpoint and keeps it. The error is a *retriever.RequestError
// for a mistake of the request.
func (r *Registry) Create(id string, c Creation) (*Endpoint, error) {
	r.changing.Lock()
	defer r.changing.Unlock()
	if err := CheckID(id); err != nil {
		return nil, err
	}
	if _, exists := r.Lookup(id); exists {
		return nil, Exists(id)
	}
	if r.model(id) != nil || id == DefaultModelID {
		return nil, statusError(http.StatusBadRequest, "Inference endpoint IDs must be unique. "+
			"Requested inference endpoint ID [%s] matches existing trained model ID(s) but must not.", id)
	}
	d, err := c.definition(id)
	if err != nil {
		return nil, err
	}
	m := r.model(d.ServiceSettings.ModelID)
	if m == nil {
		return nil, unknownModel(clip(d.ServiceSettings.ModelID))
	}
	if err := fits(d.ServiceSettings, m.Workers); err != nil {
		return nil, err
	}
	if len(r.made) >= r.o.MaxEndpoints {
		return nil, retriever.BadRequest("illegal_argument_exception",
			"rerankd keeps at most [%d] inference endpoints, by [inference.max_endpoints]", r.o.MaxEndpoints)
	}
	e := r.open(d, m)
	if err := r.replace(id, e); err != nil {
		return nil, errors.Join(err, e.pool.close())
	}
	r.o.Logger.Info("inference endpoint made", keyEndpoint, id, keyModel, m.ID)
	return e, nil
}

// fits refuses more workers than there are.
func fits(s ServiceSettings, workers int) error {
	n := 1
	if s.NumAllocations != nil && !s.adapts() {
		n = *s.NumAllocations
	}
	if n > workers/s.NumThreads {
		return statusError(http.StatusTooManyRequests, "Could not start deployment because there are not enough resources to provide "+
			"all requested allocations: [num_allocations] times [num_threads] may be at most [%d]", workers)
	}
	return nil
}

// Update changes an endpoint that was made through the API.
func (r *Registry) Update(id string, u Update) (*Endpoint, error) {
	r.changing.Lock()
	defer r.changing.Unlock()
	old, ok := r.Lookup(id)
	if !ok {
		return nil, NotFound(id)
	}
	if old.Reserved() {
		return nil, statusError(http.StatusBadRequest, "[%s] is a reserved inference endpoint. Cannot update a reserved inference endpoint.", id)
	}
	m := r.model(old.definition.ServiceSettings.ModelID)
	if m == nil {
		return nil, unknownModel(old.definition.ServiceSettings.ModelID)
	}
	e := *old
	e.definition = u.apply(old.definition)
	if err := fits(e.definition.ServiceSettings, m.Workers); err != nil {
		return nil, err
	}
	if err := r.replace(id, &e); err != nil {
		return nil, err
	}
	e.pool.way.Resize(m.most(e.definition.ServiceSettings))
	e.pool.bound(e.definition.ServiceSettings.bounds(m.Workers))
	r.o.Logger.Info("inference endpoint changed", keyEndpoint, id)
	return &e, nil
}

// CheckDelete returns why an endpoint can't be deleted.
func (r *Registry) CheckDelete(id string, force bool) error {
	e, ok := r.Lookup(id)
	switch {
	case !ok:
		return NotFound(id)
	case e.Reserved() && force:
		return statusError(http.StatusBadRequest, "[%s] is a reserved inference endpoint. Cannot delete a reserved inference endpoint.", id)
	case e.Reserved():
		return statusError(http.StatusBadRequest,
			"[%s] is a reserved inference endpoint. Use the force=true query parameter to delete the inference endpoint.", id)
	}
	return nil
}

// Delete forgets an endpoint that was made through the API. Calls inside of it
// end as they would have.
func (r *Registry) Delete(id string, force bool) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	if err := r.CheckDelete(id, force); err != nil {
		return err
	}
	e, _ := r.Lookup(id) // CheckDelete found it
	if err := r.replace(id, nil); err != nil {
		return err
	}
	r.o.Logger.Info("inference endpoint deleted", keyEndpoint, id)
	r.done.Go(func() { // it may take as long as the calls inside
		if err := e.pool.close(); err != nil {
			r.o.Logger.Warn("close a deleted inference endpoint", keyEndpoint, id, keyError, err)
		}
	})
	return nil
}

// replace keeps the endpoints with e in the place of id, nil for none, and has
// them known once they are kept. The caller holds changing.
func (r *Registry) replace(id string, e *Endpoint) error {
	next := maps.Clone(r.made)
	if e == nil {
		delete(next, id)
	} else {
		next[id] = e
	}
	list := make([]Definition, 0, len(next))
	for _, id := range slices.Sorted(maps.Keys(next)) {
		list = append(list, next[id].definition)
	}
	if err := r.store.save(list); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made = next
	return nil
}
