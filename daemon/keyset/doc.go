// Package keyset judges tokens: bytes, keys and an instant go in, claims or a
// reason come out. It reads no clock, opens no connection and remembers nothing.
//
// The order of judgement is fixed, so that one token has one answer and a
// forged token never learns anything about its claims:
//
//  1. Gate: size, three segments, canonical base64url (RFC 7515 section 7.1);
//     else malformed.
//  2. Header: one strict JSON object, a usable "kid", nothing that changes how the
//     token is to be read; else malformed. An "alg" that the policy allows and the
//     named key has; else wrong-algorithm. Hints about keys are not read.
//  3. Key: looked up by "kid" and "alg" together, and bound to its algorithms
//     since it was loaded. Without "kid", where the policy allows that: the keys
//     of the algorithm. If there is none, unknown-key; Doubt tells whether a newer
//     set may have it.
//  4. Signature; else bad-signature.
//  5. Claims: one strict JSON object; else malformed. No "cnf", because a token
//     that is bound to a key (RFC 7800) is no bearer token (RFC 9449 section 7, RFC
//     8705 section 3); else sender-constrained. "sub" and "exp" are there, and the
//     claims that are read here are of their kinds; else missing-claim. Then
//     wrong-issuer; wrong-audience; class-not-allowed for the class of user, flags
//     and role; expired; not-yet-valid for "nbf" and "iat". Claims that are not
//     read may be anything.
//
// A policy for logout tokens goes the same way, with claims of their own; see
// Policy.Logout.
//
// It is the only package of the module that imports jwx, and of jwx only jws,
// jwk and jwa: the signature check and the reading of a single key. Everything
// else jwx offers (choosing keys, reading headers and claims) is more lenient
// than a shared judge may be, and is done here.
package keyset
