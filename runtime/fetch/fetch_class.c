/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer means: classes, libcurl's codes, Retry-After. */
#include "fetch_internal.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static const char *const class_names[FETCH_CLASS_COUNT] = {
    [FETCH_OK] = "ok",
    [FETCH_REDIRECT] = "redirect",
    [FETCH_NOT_MODIFIED] = "not_modified",
    [FETCH_HTTP_4XX] = "http_4xx",
    [FETCH_HTTP_5XX] = "http_5xx",
    [FETCH_THROTTLED] = "throttled",
    [FETCH_DNS] = "dns",
    [FETCH_CONNECT] = "connect",
    [FETCH_TLS] = "tls",
    [FETCH_TIMEOUT] = "timeout",
    [FETCH_NETWORK] = "network",
    [FETCH_TOO_LARGE] = "too_large",
    [FETCH_REDIRECT_LOOP] = "redirect_loop",
    [FETCH_GUARDED] = "guarded",
    [FETCH_ROBOTS] = "robots",
    [FETCH_BAD_URL] = "bad_url",
    [FETCH_CANCELLED] = "cancelled",
    [FETCH_STORAGE] = "storage",
};

const char *fetch_class_name(enum fetch_class fetch_class)
{
    return (unsigned)fetch_class < FETCH_CLASS_COUNT ? class_names[fetch_class] : "unknown";
}

bool fetch_class_is_retryable(enum fetch_class fetch_class, int http_status)
{
    switch (fetch_class) {
    case FETCH_HTTP_4XX:
        return http_status == 408 || http_status == 429;
    case FETCH_ROBOTS: /* the status of robots.txt itself: 0 = a rule forbids it for good */
        return http_status >= 500;
    case FETCH_HTTP_5XX:
    case FETCH_THROTTLED:
    case FETCH_DNS:
    case FETCH_CONNECT:
    case FETCH_TIMEOUT:
    case FETCH_NETWORK:
    case FETCH_CANCELLED:
    case FETCH_STORAGE:
        return true;
    default:
        return false;
    }
}

static const struct {
    CURLcode code;
    enum fetch_class fetch_class;
    const char *text;
} curl_codes[] = {
    {CURLE_COULDNT_RESOLVE_HOST, FETCH_DNS, "the name could not be looked up"},
    {CURLE_COULDNT_RESOLVE_PROXY, FETCH_DNS, "the proxy's name could not be looked up"},
    {CURLE_COULDNT_CONNECT, FETCH_CONNECT, "the connection was refused or the host is unreachable"},
    {CURLE_INTERFACE_FAILED, FETCH_CONNECT, "no local address to connect from"},
    {CURLE_SSL_CONNECT_ERROR, FETCH_TLS, "the TLS handshake failed"},
    {CURLE_PEER_FAILED_VERIFICATION, FETCH_TLS, "its TLS certificate is not valid"},
    {CURLE_SSL_CERTPROBLEM, FETCH_TLS, "the TLS certificate has a problem"},
    {CURLE_SSL_CIPHER, FETCH_TLS, "no TLS cipher in common"},
    {CURLE_SSL_CACERT_BADFILE, FETCH_TLS, "the CA bundle could not be read"},
    {CURLE_SSL_ISSUER_ERROR, FETCH_TLS, "its TLS certificate's issuer is not trusted"},
    {CURLE_SSL_INVALIDCERTSTATUS, FETCH_TLS, "its TLS certificate's status is not valid"},
    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, FETCH_TLS, "its TLS key is not the expected one"},
    {CURLE_OPERATION_TIMEDOUT, FETCH_TIMEOUT, "connecting took too long"},
    {CURLE_URL_MALFORMAT, FETCH_BAD_URL, "the address is malformed"},
    {CURLE_PARTIAL_FILE, FETCH_NETWORK, "the body ended before its announced length"},
    {CURLE_GOT_NOTHING, FETCH_NETWORK, "the connection was closed without an answer"},
    {CURLE_RECV_ERROR, FETCH_NETWORK, "the connection broke while reading"},
    {CURLE_SEND_ERROR, FETCH_NETWORK, "the connection broke while sending"},
    {CURLE_BAD_CONTENT_ENCODING, FETCH_NETWORK, "the compressed body is broken"},
    {CURLE_WEIRD_SERVER_REPLY, FETCH_NETWORK, "the answer is not HTTP"},
    /* Only http and https get here: this is what libcurl calls an answer without a status line. */
    {CURLE_UNSUPPORTED_PROTOCOL, FETCH_NETWORK, "the answer is not HTTP"},
    {CURLE_HTTP2, FETCH_NETWORK, "the HTTP/2 connection broke"},
    {CURLE_HTTP2_STREAM, FETCH_NETWORK, "the HTTP/2 stream was closed"},
#if LIBCURL_VERSION_NUM >= 0x080600
    /* libcurl's own limit on one header line, 100 KiB, which may be less than ours */
    {CURLE_TOO_LARGE, FETCH_TOO_LARGE, "a header is larger than the header limit"},
#endif
};

enum fetch_class fetch_class_of_curl(CURLcode code, const char **text)
{
    for (size_t i = 0; i < BASE_ARRAY_LEN(curl_codes); i++) {
        if (curl_codes[i].code == code) {
            *text = curl_codes[i].text;
            return curl_codes[i].fetch_class;
        }
    }
    *text = curl_easy_strerror(code);
    return FETCH_NETWORK;
}

/* Seconds or an HTTP date (RFC 9110, 10.2.3). A past date says nothing. */
uint64_t fetch_parse_retry_after(const char *value, size_t len, int64_t wall_ms)
{
    char text[64];
    uint64_t ms = 0;
    while (len > 0 && (*value == ' ' || *value == '\t')) {
        value++;
        len--;
    }
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t')) {
        len--;
    }
    if (len == 0 || len >= sizeof(text)) {
        return 0;
    }
    memcpy(text, value, len);
    text[len] = '\0';
    if (strspn(text, "0123456789") == len) {
        ms = len > 9 ? FETCH_MAX_RETRY_AFTER_MS : strtoull(text, NULL, 10) * 1000;
    } else {
        time_t at = curl_getdate(text, NULL);
        int64_t at_ms = at > 0 ? (int64_t)at * 1000 : 0;
        ms = at_ms > wall_ms ? (uint64_t)(at_ms - wall_ms) : 0;
    }
    return ms > FETCH_MAX_RETRY_AFTER_MS ? FETCH_MAX_RETRY_AFTER_MS : ms;
}
