"""The live model over HTTP, and the page to play with it.

`versions` loads models, `live` follows what is live, `calls` calls them within limits, `solving`
draws with the solver that a request chooses, `tf_serving` translates requests and answers, `app`
answers requests, `middleware` guards and logs them, `server` runs it on a port.
"""
