package inference

import "github.com/rerankd/rerankd/retriever"

// Update is the body by which an endpoint is changed.
type Update struct {
	allocations *int
	adaptive    *AdaptiveAllocations
	task        TaskSettings
}

// ParseUpdate reads the body of an update: of the service settings the number of
// allocations may change, fixed or adaptive, and any of the task settings.
func ParseUpdate(doc []byte) (Update, error) {
	var u Update
	o, err := parseObject(doc)
	if err != nil {
		return u, err
	}
	if len(o.members) == 0 {
		return u, statusError(400, "Request body is empty: want [service_settings], [task_settings] or both")
	}
	for _, m := range o.members {
		switch m.name {
		case "service_settings":
			err = u.service(doc, m)
		case "task_settings":
			u.task, err = parseTaskSettings(doc, m)
		default:
			err = unknownSettings([]member{m})
		}
		if err != nil {
			return u, err
		}
	}
	return u, nil
}

func (u *Update) service(doc []byte, section member) error {
	if kindOf(section.value) != "START_OBJECT" {
		return notOfType(section, "Map")
	}
	o, err := membersOf(doc, section.off, section.value)
	if err != nil {
		return err
	}
	p := serviceParser{doc: doc}
	for _, m := range o.members {
		switch m.name {
		case "num_allocations", "adaptive_allocations":
			if err := p.member(m); err != nil {
				return err
			}
		default:
			return retriever.BadRequest("illegal_argument_exception", "[%s] of an endpoint can't be changed; delete it and make another", clip(m.name))
		}
	}
	if err := p.v.err("validation_exception"); err != nil {
		return err
	}
	u.allocations, u.adaptive = p.s.NumAllocations, p.s.Adaptive
	if p.s.adapts() && u.allocations != nil {
		return retriever.BadRequest("illegal_argument_exception", "[num_allocations] cannot be set if adaptive allocations is enabled")
	}
	return nil
}

// apply returns the definition as the update leaves it.
func (u Update) apply(d Definition) Definition {
	d.TaskSettings = d.TaskSettings.over(u.task)
	s := &d.ServiceSettings
	switch {
	case u.adaptive != nil && u.adaptive.Enabled:
		s.Adaptive, s.NumAllocations = u.adaptive, nil
	case u.adaptive != nil || u.allocations != nil:
		s.Adaptive = u.adaptive
		if s.NumAllocations = u.allocations; s.NumAllocations == nil {
			one := 1
			s.NumAllocations = &one
		}
	}
	return d
}
