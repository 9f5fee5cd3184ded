"""Who may do what: passwords, sessions, tokens against forged requests, rates, headers, sizes of bodies, the trail."""
