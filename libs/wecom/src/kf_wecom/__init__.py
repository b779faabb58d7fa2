"""The WeCom KF protocol: callback crypto, API client, access token, message models, errcodes."""
