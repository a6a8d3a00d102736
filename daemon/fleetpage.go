package daemon

import "github.com/neonauthd/neonauthd/daemon/fleet"

// fleet writes how this host hears its fleet. Without a fleet it writes nothing.
func (p *page) fleet(f *fleet.Fleet) {
	if f == nil {
		return
	}
	s := f.Stats()
	p.Single("neonauthd_fleet_connected", gauge, "1 if this host hears its fleet.", oneIf(s.Connected))
	p.Single("neonauthd_fleet_refuses", gauge, "1 if this host accepts nothing, because it has not heard its fleet for too long.", oneIf(f.Refuses()))
	const heard = "neonauthd_fleet_heard_seconds"
	p.Family(heard, gauge, "How long ago this host has heard everything that its fleet said; absent before it first has.")
	if s.Heard >= 0 {
		p.Sample(heard, s.Heard.Seconds())
	}
	p.Single("neonauthd_fleet_hosts", gauge, "Hosts of the fleet that are heard or silent, this one included.", float64(s.Hosts))
	p.Single("neonauthd_fleet_hosts_silent", gauge, "Hosts that took no leave, are not heard, and may be accepting.", float64(s.Silent))
	p.Single("neonauthd_fleet_marks", gauge, "Revocations and purges that this host keeps for the fleet, taken-back ones included.", float64(s.Marks))
	p.Single("neonauthd_fleet_marks_lacking", gauge, "Of these, those that are still to be told.", float64(s.Lacking))
	p.Single("neonauthd_fleet_marks_old_key", gauge, "Marks that the fleet still keeps under a key that is not the first.", float64(s.OldNames))
	p.Single("neonauthd_fleet_disagreement_seconds", gauge, "For how long a host has kept other marks than this one; 0: none does.", s.Disagree.Seconds())
	p.Single("neonauthd_fleet_lag_seconds", gauge, "For how long an entry has been in the fleet's log that a host has not confirmed, of the hosts that are heard, this one included; 0: they have confirmed all.", s.Lag.Seconds())
	p.Single("neonauthd_fleet_lag_entries", gauge, "How many entries of the fleet's log the host has not confirmed that is the furthest behind, of the same hosts.", float64(s.Behind))
	p.Single("neonauthd_fleet_clock_ahead_seconds", gauge, "How far the engine's clock is ahead of this host's, below 0 if behind.", s.Offset.Seconds())
	p.Single("neonauthd_fleet_exchanges_total", counter, "Full exchanges of all marks.", float64(s.Exchanges))
	p.Single("neonauthd_fleet_reconnects_total", counter, "Connections to the engine that were made anew.", float64(s.Reconnects))
	p.Single("neonauthd_fleet_announced_total", counter, "Changes of this host that the fleet was told.", float64(s.Announced))
	p.Single("neonauthd_fleet_announced_again_total", counter, "Marks that the engine had lost, or that a host lacked, and that were told again.", float64(s.Again))
	p.Single("neonauthd_fleet_unopened_total", counter, "Records that do not open under this host's keys, or are not what they should be; none of them counts.", float64(s.Unopened))
	p.Single("neonauthd_fleet_skipped_total", counter, "Records that were removed because they are larger than any of the fleet's.", float64(s.Skipped))
	p.Single("neonauthd_fleet_unsaved_total", counter, "Marks of other hosts that are in force here and would not survive a restart.", float64(s.NotSaved))
	const claims = "neonauthd_fleet_claims_total"
	p.Family(claims, counter, "Questions before a profile is fetched, by answer: have (another host has it), go, alone (the engine is slow or away), pause, budget; and wait (another host is fetching it), which is followed by one of the others unless the lookup has no time left.")
	for _, c := range []struct {
		answer string
		count  uint64
	}{{"have", s.Claims.Have}, {"go", s.Claims.Go}, {"alone", s.Claims.Alone}, {"pause", s.Claims.Pause}, {"budget", s.Claims.Budget}, {"wait", s.Claims.Wait}} {
		p.Sample(claims, float64(c.count), "answer", c.answer)
	}
	p.Single("neonauthd_fleet_calls_saved_total", counter, "Calls of the upstream that this host did not make, because another host had the profile.", float64(s.Claims.Have))
	p.Single("neonauthd_fleet_claim_failures_total", counter, "Questions that failed or took too long.", float64(s.Claims.Failed))
}
