// Package keyset judges tokens: bytes, keys and an instant go in, claims or a
// reason come out. It reads no clock, opens no connection and remembers nothing.
//
// The order of judgement is fixed, so that one token has one answer and a
// forged token never learns anything about its claims:
//
//  1. Gate: size, three segments, canonical base64url (RFC 7515 section 7.1);
//     else malformed.
//  2. Header: one strict JSON object; "kid" and "typ" can be read if they are there;
//     nothing changes how the token is to be read; else malformed. Hints about keys
//     are not read.
//  3. Algorithm: the policy allows "alg"; else wrong-algorithm.
//  4. Type: the policy takes "typ"; else wrong-type.
//  5. Key id: "kid" is there, or the policy lets it be absent; else malformed.
//  6. Key: looked up by "kid" and "alg" together, and bound to its algorithms since it
//     was loaded; without "kid" the keys of the algorithm. If there is none, or if it is
//     withdrawn: unknown-key. If the only keys of that "kid" are for other algorithms:
//     wrong-algorithm. Doubt tells whether a newer set may have the key.
//  7. Signature; else bad-signature.
//  8. Claims: one strict JSON object whose times, names and ids can be read; else
//     malformed.
//  9. Bearer token: no "cnf", because a token that is bound to a key (RFC 7800) is no
//     bearer token (RFC 9449 section 7, RFC 8705 section 3); else sender-constrained.
//  10. Kind of token: no claim says that the token is of another kind; else wrong-type.
//  11. Required claims: "sub", "exp" and what the policy needs are there, and the claims
//     that are read here are of their kinds; else missing-claim. Claims that are not
//     read may be anything.
//  12. Issuer: one of the policy's; else wrong-issuer.
//  13. Audience: none that the policy refuses, else class-not-allowed; one that it
//     admits, else wrong-audience; and admitted with this issuer, else wrong-issuer.
//  14. Role, if the policy demands one: there, else missing-claim; the demanded one,
//     else class-not-allowed.
//  15. Class: flags of the user that agree with each other and with the audience, and
//     no machine unless the policy admits machines; else class-not-allowed.
//  16. Time: "exp" in the future; else expired. Then "nbf" and "iat" not in the future;
//     else not-yet-valid.
//  17. Scope: every word that the policy demands; else insufficient-scope.
//
// A policy for logout tokens goes the same way, with claims of their own; see
// Policy.Logout.
//
// It is the only package of the module that imports jwx, and of jwx only jws,
// jwk and jwa: the signature check and the reading of a single key. Everything
// else jwx offers (choosing keys, reading headers and claims) is more lenient
// than a shared judge may be, and is done here.
package keyset
