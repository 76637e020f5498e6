module eoslab.dev/embedded/pause

go 1.24.0
