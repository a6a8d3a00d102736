/** The types of what the upstreams send: claims of tokens, and profiles. */

/** Why a user of Stack Auth is restricted. */
export interface RestrictedReason {
  readonly type: 'anonymous' | 'email_not_verified' | 'restricted_by_administrator' | (string & {})
}

/** The claims in a token of Neon Auth on Stack Auth. Older servers leave some of them out. */
export interface StackClaims {
  readonly sub: string
  readonly project_id?: string
  readonly branch_id?: string
  /** The session. */
  readonly refresh_token_id?: string
  readonly role?: string
  readonly name?: string | null
  readonly email?: string | null
  readonly email_verified?: boolean
  readonly selected_team_id?: string | null
  /** Seconds since 1970. */
  readonly signed_up_at?: number
  readonly is_anonymous?: boolean
  readonly is_restricted?: boolean
  readonly restricted_reason?: RestrictedReason | null
  readonly requires_totp_mfa?: boolean
  readonly iss: string
  readonly aud: string
  readonly iat?: number
  readonly exp: number
  /** The names of branch_id and refresh_token_id until September 2025. */
  readonly branchId?: string
  readonly refreshTokenId?: string
}

/** The claims in a token of Neon Auth on Better Auth. */
export interface NeonClaims {
  readonly sub: string
  readonly id: string
  readonly name: string
  readonly email: string
  readonly emailVerified: boolean
  readonly image?: string | null
  readonly createdAt: string
  readonly updatedAt: string
  readonly role: string
  readonly banned?: boolean | null
  readonly banReason?: string | null
  readonly banExpires?: string | null
  /** The active organization. */
  readonly o?: { readonly id: string; readonly slug: string; readonly role: string }
  readonly iss: string
  readonly aud: string
  readonly iat: number
  readonly exp: number
}

/** The claims of a token of any preset. */
export interface Claims {
  readonly sub: string
  readonly iss: string
  readonly aud: string | readonly string[]
  readonly exp: number
  readonly iat?: number
  readonly nbf?: number
  readonly role?: string
  readonly name?: string | null
  readonly email?: string | null
  /** Stack Auth, OpenID Connect. */
  readonly email_verified?: boolean
  /** Stack Auth. */
  readonly project_id?: string
  readonly branch_id?: string
  readonly refresh_token_id?: string
  readonly selected_team_id?: string | null
  readonly signed_up_at?: number
  readonly is_anonymous?: boolean
  readonly is_restricted?: boolean
  readonly restricted_reason?: RestrictedReason | null
  readonly requires_totp_mfa?: boolean
  /** Better Auth. */
  readonly id?: string
  readonly emailVerified?: boolean
  readonly image?: string | null
  readonly createdAt?: string
  readonly updatedAt?: string
  readonly banned?: boolean | null
  readonly banReason?: string | null
  readonly banExpires?: string | null
  readonly o?: { readonly id: string; readonly slug: string; readonly role: string }
  /** OpenID Connect. */
  readonly sid?: string
  readonly picture?: string
  readonly [name: string]: unknown
}

/** A team of Stack Auth. */
export interface StackTeam {
  readonly id: string
  readonly display_name: string
  readonly profile_image_url: string | null
  readonly client_metadata?: unknown
  readonly client_read_only_metadata?: unknown
  readonly server_metadata?: unknown
  readonly created_at_millis?: number
}

/**
 * A profile of Neon Auth on Stack Auth. Older servers leave some members out, and `withhold` in the
 * daemon's configuration removes some.
 */
export interface StackProfile {
  readonly id: string
  readonly primary_email?: string | null
  readonly primary_email_verified?: boolean
  readonly primary_email_auth_enabled?: boolean
  readonly display_name?: string | null
  readonly profile_image_url?: string | null
  readonly selected_team?: StackTeam | null
  readonly selected_team_id?: string | null
  readonly signed_up_at_millis?: number
  readonly last_active_at_millis?: number
  readonly has_password?: boolean
  readonly otp_auth_enabled?: boolean
  readonly passkey_auth_enabled?: boolean
  readonly client_metadata?: unknown
  readonly client_read_only_metadata?: unknown
  readonly server_metadata?: unknown
  readonly is_anonymous?: boolean
  readonly is_restricted?: boolean
  readonly restricted_reason?: RestrictedReason | null
  readonly restricted_by_admin?: boolean
  readonly restricted_by_admin_reason?: string | null
  readonly restricted_by_admin_private_details?: string | null
  readonly country_code?: string | null
  readonly risk_scores?: { readonly sign_up: { readonly bot: number; readonly free_trial_abuse: number } }
  readonly oauth_providers?: readonly { readonly id: string; readonly account_id: string; readonly email: string | null }[]
  readonly auth_with_email?: boolean
  readonly requires_totp_mfa?: boolean
}

/** A profile of Neon Auth on Better Auth: the user of the session. */
export interface NeonProfile {
  readonly id: string
  readonly name: string
  readonly email: string
  readonly emailVerified: boolean
  readonly image?: string | null
  readonly createdAt: string
  readonly updatedAt: string
  readonly role?: string | null
  readonly banned?: boolean | null
  readonly banReason?: string | null
  readonly banExpires?: string | null
  /** Sent with the plugin for anonymous users. */
  readonly isAnonymous?: boolean | null
}

/** A profile of any preset. */
export interface Profile extends Partial<Omit<StackProfile, 'id'>>, Partial<Omit<NeonProfile, 'id' | 'name' | 'email'>> {
  /** Stack Auth, Better Auth. */
  readonly id?: string
  /** Better Auth, OpenID Connect. */
  readonly name?: string
  readonly email?: string
  /** OpenID Connect. */
  readonly sub?: string
  readonly email_verified?: boolean
  readonly picture?: string
  readonly [name: string]: unknown
}
