"""The live model over HTTP, and the page to play with it.

`versions` loads models and follows what is live, `batching` lets requests share calls of a model,
`tf_serving` and `open_inference` translate the two protocols, `app` answers requests, `server` runs
it on a port.
"""
