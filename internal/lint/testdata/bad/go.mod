module bad

go 1.26

require example.com/lib v1.0.0

require example.com/named v1.2.0 // indirect

tool example.com/tool/cmd/x

require example.com/tool v0.1.0 // indirect
