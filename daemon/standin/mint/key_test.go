package mint

import (
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
)

// developmentSecret is public: apps/backend/.env.development of stack-auth/stack-auth.
const developmentSecret = "23-wuNpik0gIW4mruTz25rbIvhuuvZFrLOLtL7J4tyo"

func TestStackKeysDeriveAsTheGenuineOnes(t *testing.T) {
	const isOld, isNew = 0, 1
	table := []struct {
		audience  string
		which     int
		kid, x, y string
	}{
		{"internal", isOld, "M5zZLA6iQw2n", "1nTfAlWSPsAvLhYQkp_fGz7RckPtP6ZEZjVj6jZd70k", "vePcQBEJl4Mv2f2KA3MM4AIQvNWTCgo2fiKL-f_Pkb4"},
		{"internal", isNew, "YllKZ6LZIF_3", "iE4cUZXfjnak8pzA3cYz9z9mRSVQ4lwKuQo8IigGV7E", "2OEbLCpD9C1TUmVvRFctwKFwl3B9sdt0uVggbuQvMtw"},
		{"internal:restricted", isOld, "Wxg1H4Lo4CEx", "yOOzsFJXHl4DctQjs-TWpSY3MgOq4k-PnKuzQjTGubc", "ssC9xaJhskf3LY7ET6aUfiHYCzTcgaNP7xlNh_DvZB8"},
		{"internal:restricted", isNew, "GdLi8GXCBnIs", "l3ylGSgReoEYisWiwCJH9br7dtLpYVwYSjhc-V1vrCo", "K3Ci7YLMQfs3PTWyk-WqViZFm9JLSYoCcTO58hCpFgQ"},
		{"internal:anon", isOld, "FInOUGcpZb24", "eTSECfQBu6yKKvjh4dpNolXlalcChl2hRf1vLKr-GHY", "iQtHLxGh4ZvVP8_BDT9dDE_gTuWdV2w6cLAW9ageK4U"},
		{"internal:anon", isNew, "Rb-x5tnB7YSS", "LYVBUWg4z0Oge4TDnpm3tUZH0TP-4o160otw5F6fhy8", "hW_n6fdMjK-1yckbow2jMmd7Q-FPP3KYdezExeU1WnA"},
		{"8af0460b-a59a-588f-9ee9-68b0925b16b8", isOld, "GuZ0JhAZxoPi", "_3wLvzxVSMeD_m91beChaX3IS0Qg_YNxeGj6bxyZZDA", "_X7_E4SSa1jhAu_bZ3Eq01LWQz0anxXOQ0cGFUwdGQ"},
		{"b677cb93-9813-5e25-a4bb-642797c0e05a", isNew, "vWpcRvcLqRCI", "PfHcsiMqnsjDFufJlTdrBLug6-pjnzlt3kih7yke0sk", "z-RAUNI7LCsv5F-5Ldh-doVrrjFlsgL51vM90QSGqw"},
		{"df342854-28fd-5124-ad6c-03974fc66de1", isOld, "H0zSzn1OSpYo", "XmZ2RMPOXR0qWvz0scRPaTGxq1893yWY3sgDcDB_Bg", "EP_I-bZUTR-qQVkNuWB-aylfyYG0ApybBvcvt-YsqLA"},
		{"09dcc2dc-4236-5dcc-81f7-23b74fc9c396", isOld, "jJoiXWT7MrpC", "xpiHDHmp5_NzwF9rYLVlDS67Gr6Yeu5JcUWOJvvcbR8", "NeWNOQu_OkMzlgeJWPD-CpFwQsge-Y2Z1I-gh-RLIw"},
	}
	ring := NewStackRing(developmentSecret)
	for _, want := range table {
		got := ring.Published(want.audience, false)[want.which]
		text := string(ordered.Encode(got.JWK))
		if expect := `{"kty":"EC","crv":"P-256","alg":"ES256","kid":"` + want.kid + `","x":"` + want.x + `","y":"` + want.y + `"}`; text != expect {
			t.Errorf("%s: got %s, want %s", want.audience, text, expect)
		}
	}
}

func TestEveryAlgorithmSignsWhatItVerifies(t *testing.T) {
	keys := append(NewRSAKeys(), CurveKeys("a seed")...)
	if len(keys) != len(Algorithms()) {
		t.Fatalf("%d keys for %d algorithms", len(keys), len(Algorithms()))
	}
	for _, k := range keys {
		signature := k.sign([]byte("input"))
		if !k.Verifies([]byte("input"), signature) {
			t.Errorf("%s: own signature refused", k.Alg)
		}
		if k.Verifies([]byte("other"), signature) {
			t.Errorf("%s: signature accepted over other input", k.Alg)
		}
		signature[len(signature)/2] ^= 1
		if k.Verifies([]byte("input"), signature) {
			t.Errorf("%s: changed signature accepted", k.Alg)
		}
	}
}
