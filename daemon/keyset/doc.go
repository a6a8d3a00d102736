// Package keyset judges tokens: bytes, keys and an instant go in, claims or a
// reason come out. It reads no clock, opens no connection and remembers nothing.
//
// The order of judgement is fixed, so that one token has one answer and a
// forged token never learns anything about its claims:
//
//  1. Gate: size, three segments, canonical base64url (RFC 7515 section 7.1).
//  2. Header: one strict JSON object, an allowed "alg", a usable "kid", nothing
//     that changes how the token is to be read. Hints about keys are not read.
//  3. Key: looked up by "kid" and "alg" together, and bound to its algorithms
//     since it was loaded. Without "kid", where the policy allows that: the keys
//     of the algorithm.
//  4. Signature.
//  5. Claims: one strict JSON object; no "cnf", because a token that is bound to
//     a key is no bearer token; presence of "sub" and "exp", and the kinds of
//     the claims that are read here; issuer; audience; class of user and role;
//     expiry; "nbf" and "iat". Claims that are not read may be anything.
//
// It is the only package of the module that imports jwx, and of jwx only jws,
// jwk and jwa: the signature check and the reading of a single key. Everything
// else jwx offers (choosing keys, reading headers and claims) is more lenient
// than a shared judge may be, and is done here.
package keyset
