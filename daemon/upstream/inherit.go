package upstream

// SameWay reports whether c reaches the upstream of before, in the same way: at the same address, through the same proxy,
// and with the same authorities.
func (c *Client) SameWay(before *Client) bool {
	a, b := &c.config, &before.config
	return a.Preset == b.Preset && a.BaseURL == b.BaseURL && a.ProjectID == b.ProjectID && a.Transport.PrivateHTTP == b.Transport.PrivateHTTP &&
		a.Transport.Authorities.Equal(b.Transport.Authorities) && a.Transport.Route.Proxy.Same(b.Transport.Route.Proxy)
}

// SameQuestions reports whether c gets the answers of before: it asks the same endpoints in the same way, and with the
// same credentials.
func (c *Client) SameQuestions(before *Client) bool {
	return c.SameWay(before) && c.endpoints == before.endpoints && c.config.ServerKey.Equal(before.config.ServerKey) &&
		c.config.Introspection.same(before.config.Introspection)
}

// same reports whether both ask as the same client at the same endpoint.
func (i *Introspection) same(other *Introspection) bool {
	if i == nil || other == nil {
		return i == other
	}
	return i.URL == other.URL && i.ClientID == other.ClientID && i.Basic == other.Basic && i.Secret.Equal(other.Secret)
}

// Inherit takes over from a predecessor what an upstream must not lose by a reload: the budgets, the circuits and the
// pauses, each if both ask the same endpoint in the same way and with the same credentials. The two share them from then on,
// with the limits of c, because requests of before may still be in flight. If all questions are the same, c also takes over
// what before has learned. Call it before c is used, and do not call Limit of before afterwards.
func (c *Client) Inherit(before *Client) {
	if !c.SameWay(before) {
		return
	}
	if c.endpoints.profile == before.endpoints.profile && c.config.ServerKey.Equal(before.config.ServerKey) {
		c.governor = before.governor
	}
	if c.introspection != nil && c.config.Introspection.same(before.config.Introspection) {
		c.introspection = before.introspection
	}
	if c.SameQuestions(before) {
		c.knowledge = before.knowledge
	}
	c.Limit(*c.limits.Load())
}
