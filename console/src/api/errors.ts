/** An answer of the API that is not success, or no answer at all. */
export class ApiError extends Error {
  constructor(
    /** HTTP status; 0 when the server was not reached. */
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string | null,
    readonly requestId: string | null,
    /** The whole body, for answers that say more: a conflict brings all three sides. */
    readonly body: unknown = null,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

export const CODE_UNREACHABLE = "unreachable";
/** Name and password were right; the sign-in needs a code as well. */
export const CODE_TOTP = "totp_required";

/** Reads the error body `{code, message, hint?}`; anything else becomes an honest general error. */
export function toApiError(status: number, body: unknown, requestId: string | null): ApiError {
  if (typeof body === "object" && body !== null && "message" in body && typeof body.message === "string") {
    const code = "code" in body && typeof body.code === "string" ? body.code : `http_${status}`;
    const hint = "hint" in body && typeof body.hint === "string" ? body.hint : null;
    return new ApiError(status, code, body.message, hint, requestId, body);
  }
  return new ApiError(status, `http_${status}`, `the server answered with status ${status}`, null, requestId);
}

export function isSignedOut(error: unknown): boolean {
  return error instanceof ApiError && error.status === 401;
}

/** Message and hint of whatever was thrown, for people. */
export function sayError(error: unknown): { message: string; hint: string | null; requestId: string | null } {
  if (error instanceof ApiError) return { message: error.message, hint: error.hint, requestId: error.requestId };
  return { message: error instanceof Error ? error.message : String(error), hint: null, requestId: null };
}
