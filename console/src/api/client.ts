import createClient from "openapi-fetch";
import { ApiError, CODE_UNREACHABLE, toApiError } from "./errors";

export const API_ROOT = "/api/v1";
const CSRF_HEADER = "X-Palisade-Csrf";

let csrf: string | null = null;

/** Keeps the token that `GET /session` hands out; every unsafe method sends it. */
export function setCsrf(token: string | null): void {
  csrf = token;
}

type Query = Record<string, string | number | boolean | string[] | null | undefined>;
type Method = "get" | "post" | "delete" | "put" | "patch";

// `queries.ts` says which path answers with which type of the generated schema.
type AnyPaths = Record<string, Record<Method, { parameters: { query?: Query }; requestBody?: unknown; responses: never }>>;

const client = createClient<AnyPaths>({ baseUrl: API_ROOT, credentials: "same-origin" });
client.use({
  onRequest({ request }) {
    if (csrf !== null && request.method !== "GET") request.headers.set(CSRF_HEADER, csrf);
    return request;
  },
});

/** One call of the API. Throws `ApiError`. */
export async function call<T>(method: Method, path: string, options: { query?: Query; body?: unknown; signal?: AbortSignal } = {}): Promise<T> {
  const request = client.request as unknown as (
    method: Method,
    path: string,
    init: object,
  ) => Promise<{ data?: unknown; error?: unknown; response: Response }>;
  let answer: { data?: unknown; error?: unknown; response: Response };
  try {
    answer = await request(method, path, {
      params: { query: withoutEmpty(options.query) },
      ...(options.body === undefined ? {} : { body: options.body }),
      signal: options.signal,
    });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ApiError(0, CODE_UNREACHABLE, "the server cannot be reached", null, null);
  }
  if (!answer.response.ok) {
    throw toApiError(answer.response.status, answer.error, answer.response.headers.get("x-request-id"));
  }
  return answer.data as T;
}

export const get = <T>(path: string, query?: Query, signal?: AbortSignal) => call<T>("get", path, { query, signal });
export const post = <T>(path: string, body: unknown = {}) => call<T>("post", path, { body });
export const patch = <T>(path: string, body: unknown) => call<T>("patch", path, { body });
export const remove = <T>(path: string, body?: unknown) => call<T>("delete", path, { body });

function withoutEmpty(query: Query | undefined): Query | undefined {
  if (query === undefined) return undefined;
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== ""));
}
