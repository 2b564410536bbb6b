"""The command line `rotation`: one module per thing it shows, `commands` has them all."""
