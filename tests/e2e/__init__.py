"""Through the sandbox: worker library, SDKs, TLS, identity and Azurite, nothing mocked."""
