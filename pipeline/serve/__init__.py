"""The live model over HTTP, and the page to play with it.

`versions` loads models, `live` follows what is live, `calls` calls them within limits, `tf_serving`
translates requests and answers, `service` answers requests, `dashboard` has the pages of a
workspace, `http` guards and logs requests and runs an application on a port, `server` makes the one
of a model.
"""
