module skerry.test/interop

go 1.25
