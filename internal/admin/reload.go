package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
)

// reloadAnswer is what a request to reload models gets.
type reloadAnswer struct {
	Reloaded []string `json:"reloaded"`
	Error    string   `json:"error,omitempty"`
}

// reloadHandler has models loaded anew, for one request at a time.
func reloadHandler(reload func(context.Context) ([]string, error)) http.HandlerFunc {
	var busy sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) {
		status, answer := http.StatusConflict, reloadAnswer{Error: "models are being reloaded already"}
		if busy.TryLock() {
			defer busy.Unlock()
			reloaded, err := reload(r.Context())
			status, answer = http.StatusOK, reloadAnswer{Reloaded: reloaded}
			if err != nil {
				status, answer.Error = http.StatusInternalServerError, err.Error()
			}
		}
		if answer.Reloaded == nil {
			answer.Reloaded = []string{}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer) // the caller may be gone
	}
}
