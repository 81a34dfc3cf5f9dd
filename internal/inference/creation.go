package inference

import "regexp"

// Creation is the body by which an endpoint is made.
type Creation struct {
	TaskType string // empty: the body names none
	Service  string
	ModelID  string // empty: the body names none

	doc            []byte
	settings, task *member
	unknown        []member
}

// ParseCreation reads the body of the creation of an endpoint as far as it takes
// to know whether it is for this program: the settings themselves are read by
// [Registry.Create]. A body without a service is an error, as in Elasticsearch.
func ParseCreation(doc []byte) (Creation, error) {
	o, err := parseObject(doc)
	if err != nil {
		return Creation{}, err
	}
	c := Creation{doc: doc}
	for _, m := range o.members {
		switch m.name {
		case "service":
			if kindOf(m.value) != "VALUE_STRING" {
				return c, notOfType(m, "String")
			}
			c.Service = stringOf(m.value)
		case "task_type":
			if kindOf(m.value) != "VALUE_STRING" {
				return c, notOfType(m, "String")
			}
			c.TaskType = stringOf(m.value)
		case "service_settings":
			c.settings = &m
		case "task_settings":
			c.task = &m
		default:
			c.unknown = append(c.unknown, m)
		}
	}
	if c.Service == "" {
		return c, statusError(400, "Inference endpoint configuration is missing the [service] setting")
	}
	if c.settings != nil && kindOf(c.settings.value) == "START_OBJECT" {
		o, err := membersOf(doc, c.settings.off, c.settings.value)
		if err != nil {
			return c, err
		}
		if m, ok := o.one("model_id"); ok && kindOf(m.value) == "VALUE_STRING" {
			c.ModelID = stringOf(m.value)
		}
	}
	return c, nil
}

// definition reads the settings of an endpoint that this program is to have.
func (c Creation) definition(id string) (Definition, error) {
	d := Definition{ID: id, TaskType: TaskType, Service: Service}
	if len(c.unknown) > 0 {
		return d, unknownSettings(c.unknown)
	}
	if c.settings == nil {
		return d, statusError(400, "Inference endpoint configuration is missing the [service_settings] setting")
	}
	var err error
	if d.ServiceSettings, err = parseServiceSettings(c.doc, *c.settings); err != nil {
		return d, err
	}
	if c.task != nil {
		if d.TaskSettings, err = parseTaskSettings(c.doc, *c.task); err != nil {
			return d, err
		}
	}
	return d, nil
}

// validID is what Elasticsearch takes as the id of a new endpoint.
var validID = regexp.MustCompile(`^[a-z0-9]([a-z0-9_.-]*[a-z0-9])?$`)

// maxID bounds an id.
const maxID = 256

// CheckID returns the error for an id that Elasticsearch wouldn't take for a new
// endpoint.
func CheckID(id string) error {
	var v validation
	switch {
	case len(id) > maxID:
		v.add("Invalid inference_id; it can contain at most [%d] characters", maxID)
	case !validID.MatchString(id):
		v.add("Invalid inference_id; '%s' can contain lowercase alphanumeric (a-z and 0-9), hyphens or underscores; "+
			"must start and end with alphanumeric", id)
	}
	return v.err("action_request_validation_exception")
}
