module github.com/elixirscope/foundation

go 1.26.0

require go.uber.org/goleak v1.3.0

require (
	github.com/anishathalye/porcupine v1.3.1
	pgregory.net/rapid v1.3.0
)

require (
	github.com/google/uuid v1.6.0
	go.yaml.in/yaml/v4 v4.0.0
)
