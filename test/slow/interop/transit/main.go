// The Transit engine of HashiCorp Vault itself, from its Go module, behind an HTTP server of a few lines: what is asked
// and answered is the engine's, only tokens and mounts are looked after here. Prints its address; ends with its stdin.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/sdk/logical"
)

const mount = "/v1/transit/"

func main() {
	ctx := context.Background()
	config := logical.TestBackendConfig()
	config.StorageView = &logical.InmemStorage{}
	engine, err := transit.Factory(ctx, config)
	must(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Println(listener.Addr())
	go func() { must(http.Serve(listener, handler{engine, config.StorageView})) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

type handler struct {
	engine  logical.Backend
	storage logical.Storage
}

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Vault-Token") != os.Args[1] {
		answer(w, http.StatusForbidden, map[string]any{"errors": []string{"permission denied"}})
		return
	}
	var data map[string]any
	_ = json.NewDecoder(r.Body).Decode(&data)
	request := &logical.Request{
		Operation: logical.UpdateOperation,
		Path:      strings.TrimPrefix(r.URL.Path, mount),
		Storage:   h.storage,
		Data:      data,
	}
	response, err := h.engine.HandleRequest(r.Context(), request)
	status, err := logical.RespondErrorCommon(request, response, err)
	if err != nil {
		answer(w, status, map[string]any{"errors": []string{err.Error()}})
		return
	}
	if response == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	answer(w, http.StatusOK, map[string]any{"data": response.Data})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
