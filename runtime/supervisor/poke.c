/* SPDX-License-Identifier: Apache-2.0 */
/* The cheapest question to a server: no driver, no thread that stays, no monitor's rhythm of 10 s.
 * All seeds are asked at once, one conversation each. */
#include "poke.h"
#include <bson/bson.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLICE_MS 50
#define SYN_MS 3000 /* then a fresh SYN: the kernel's own repeats grow rarer and rarer */
#define REPLY_BYTES 4096

/* OP_MSG {hello: 1, $db: "admin"}, little endian (MongoDB wire protocol, OP_MSG section kind 0) */
static const unsigned char hello[] = {
    52, 0,   0,   0,   1,  0,   0,   0,   0,   0,   0,   0,   0xdd, 7,   0,
    0,                    /* length, id, to, opcode 2013 */
    0,  0,   0,   0,   0, /* flags, kind */
    31, 0,   0,   0,   16, 'h', 'e', 'l', 'l', 'o', 0,   1,   0,    0,   0, /* int32 hello: 1 */
    2,  '$', 'd', 'b', 0,  6,   0,   0,   0,   'a', 'd', 'm', 'i',  'n', 0,
    0};

/* RFC 5246, 7.4.1.2: a ClientHello of TLS 1.2 with a random of zeros. Whoever speaks TLS answers
 * with a ServerHello or with an alert; both will do. */
static const unsigned char client_hello[] = {
    0x16, 3,  1,    0,    67, /* handshake record, 67 bytes */
    1,    0,  0,    63,       /* ClientHello, 63 bytes */
    3,    3,                  /* TLS 1.2 */
    0,    0,  0,    0,    0,    0,    0, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0,
    0,    0,  0,    0,    0,    0,    0, 0,  0, 0, 0, 0, 0, 0, 0, 0, /* no session */
    0,    4,  0xc0, 0x2f, 0xc0, 0x30,                                /* ECDHE-RSA with AES-GCM */
    1,    0,                                                         /* no compression */
    0,    18,                                                        /* extensions */
    0,    10, 0,    4,    0,    2,    0, 23,                         /* groups: secp256r1 */
    0,    13, 0,    6,    0,    4,    4, 1,  8, 4 /* signatures: RSA with SHA-256 */
};
_Static_assert(sizeof(client_hello) == 5 + 67, "the record's length");

/* One conversation with one address. */
struct talk {
    const struct poke_address *with;
    const struct mongo_seed *seed;
    int fd; /* -1: over */
    bool speaks_tls;
    bool is_second; /* the first protocol was hung up on */
    bool is_connected;
    enum poke_answer answer;
    uint64_t syn_ns;
    size_t received;
    unsigned char reply[REPLY_BYTES];
};

/* ---- one conversation
 * --------------------------------------------------------------------------------- */

static void finish(struct talk *talk, enum poke_answer answer)
{
    if (talk->fd >= 0) {
        close(talk->fd);
        talk->fd = -1;
    }
    talk->answer = answer;
}

static enum poke_answer answer_of_errno(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return POKE_REFUSED;
    case ETIMEDOUT:
        return POKE_BLACK_HOLE;
    default:
        return POKE_UNREACHABLE;
    }
}

static void dial(struct talk *talk)
{
    talk->is_connected = false;
    talk->received = 0;
    talk->syn_ns = base_mono_ns();
    talk->answer = POKE_BLACK_HOLE;
    talk->fd = socket(talk->with->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (talk->fd < 0) {
        finish(talk, POKE_UNASKED);
    } else if (connect(talk->fd, (const struct sockaddr *)&talk->with->at, talk->with->size) != 0 &&
               errno != EINPROGRESS) {
        finish(talk, answer_of_errno(errno));
    }
}

static void say_hello(struct talk *talk)
{
    int error = 0;
    socklen_t size = sizeof(error);
    const unsigned char *text = talk->speaks_tls ? client_hello : hello;
    size_t length = talk->speaks_tls ? sizeof(client_hello) : sizeof(hello);
    if (getsockopt(talk->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
        finish(talk, answer_of_errno(error));
        return;
    }
    talk->is_connected = true;
    talk->answer = POKE_SILENT;
    if (send(talk->fd, text, length, MSG_NOSIGNAL) != (ssize_t)length) {
        finish(talk, POKE_HUNG_UP);
    }
}

static void hung_up(struct talk *talk)
{
    finish(talk, POKE_HUNG_UP);
    if (!talk->is_second) { /* a TLS server hangs up on plain words, and the other way round */
        talk->is_second = true;
        talk->speaks_tls = !talk->speaks_tls;
        dial(talk); /* refused now: it was going down */
    }
}

static uint32_t little_endian(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The body of an OP_MSG reply; false: not all there. */
static bool find_body(const struct talk *talk, bson_t *body)
{
    const size_t header = 21; /* header, flags, kind */
    if (talk->received < header + 4) {
        return false;
    }
    size_t length = little_endian(talk->reply + header);
    return talk->received >= header + length &&
           bson_init_static(body, talk->reply + header, length);
}

static bool says_it_is_primary(const struct talk *talk)
{
    bson_t body;
    bson_iter_t iter;
    return !find_body(talk, &body) || !bson_iter_init_find(&iter, &body, "isWritablePrimary") ||
           bson_iter_as_bool(&iter);
}

static bool is_whole(const struct talk *talk)
{
    return talk->received == REPLY_BYTES ||
           (talk->received >= 4 && talk->received >= little_endian(talk->reply));
}

static void understand(struct talk *talk, bool is_set)
{
    if (talk->is_second) {
        finish(talk, talk->speaks_tls ? POKE_WANTS_TLS : POKE_WANTS_PLAIN);
    } else if (talk->speaks_tls) {
        finish(talk, POKE_ANSWERED); /* which member it is, it would say only inside */
    } else if (is_whole(talk)) {
        finish(talk, !is_set || says_it_is_primary(talk) ? POKE_ANSWERED : POKE_NO_PRIMARY);
    }
}

static void hear(struct talk *talk, bool is_set)
{
    ssize_t got = recv(talk->fd, talk->reply + talk->received, REPLY_BYTES - talk->received, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    /* the alert of a TLS server is no answer to plain words */
    bool is_alert = got > 0 && !talk->speaks_tls && talk->received == 0 && talk->reply[0] == 0x15;
    if (got <= 0 || is_alert) {
        hung_up(talk);
        return;
    }
    talk->received += (size_t)got;
    understand(talk, is_set);
}

static void go_on(struct talk *talk, short events, bool is_set)
{
    if (talk->is_connected) {
        hear(talk, is_set);
    } else if ((events & (POLLOUT | POLLERR | POLLHUP)) != 0) {
        say_hello(talk);
    }
}

/* ---- all of them
 * -------------------------------------------------------------------------------------- */

struct party {
    struct mongo_seeds seeds;
    struct talk talks[POKE_ADDRESSES_MAX];
    uint32_t count;
};

static bool must_end_now(const _Atomic bool *must_end)
{
    /* relaxed: nothing is read because of it */
    return must_end != NULL && atomic_load_explicit(must_end, memory_order_relaxed);
}

static bool any_answered(const struct party *party)
{
    for (uint32_t i = 0; i < party->count; i++) {
        if (poke_is_good(party->talks[i].answer)) {
            return true;
        }
    }
    return false;
}

static uint32_t wait_for_some(struct party *party, struct pollfd *polled, uint64_t deadline_ns)
{
    uint32_t open = 0;
    uint64_t now_ns = base_mono_ns();
    uint64_t left_ms = now_ns < deadline_ns ? (deadline_ns - now_ns) / BASE_NS_PER_MS + 1 : 0;
    for (uint32_t i = 0; i < party->count; i++) {
        const struct talk *talk = &party->talks[i];
        polled[i] = (struct pollfd){.fd = talk->fd, /* poll() passes over -1 */
                                    .events = talk->is_connected ? POLLIN : POLLOUT};
        open += talk->fd >= 0;
    }
    if (open > 0) {
        (void)poll(polled, party->count, left_ms < SLICE_MS ? (int)left_ms : SLICE_MS);
    }
    return open;
}

static void talk_to_all(struct party *party, uint64_t deadline_ns, const _Atomic bool *must_end)
{
    struct pollfd polled[POKE_ADDRESSES_MAX];
    while (base_mono_ns() < deadline_ns && !must_end_now(must_end) && !any_answered(party) &&
           wait_for_some(party, polled, deadline_ns) > 0) {
        for (uint32_t i = 0; i < party->count; i++) {
            struct talk *talk = &party->talks[i];
            if (talk->fd < 0) {
                continue;
            }
            if (polled[i].revents != 0) {
                go_on(talk, polled[i].revents, party->seeds.is_set);
            } else if (!talk->is_connected &&
                       base_mono_ns() - talk->syn_ns > SYN_MS * BASE_NS_PER_MS) {
                finish(talk, POKE_BLACK_HOLE);
            }
        }
    }
}

/* ---- names
 * -------------------------------------------------------------------------------------------- */

static void invite(struct party *party, const struct mongo_seed *seed, const struct addrinfo *found,
                   struct poke_report *out)
{
    for (; found != NULL && out->count < POKE_ADDRESSES_MAX; found = found->ai_next) {
        struct poke_address *address = &out->addresses[out->count++];
        memcpy(&address->at, found->ai_addr, found->ai_addrlen);
        address->size = found->ai_addrlen;
        party->talks[party->count++] = (struct talk){
            .with = address, .seed = seed, .fd = -1, .speaks_tls = party->seeds.uses_tls};
    }
}

static void better(struct poke_report *out, enum poke_answer answer, const char *host,
                   const char *port)
{
    if (answer > out->answer) {
        out->answer = answer;
        snprintf(out->where, sizeof(out->where), "%s%s%s", host, port[0] != '\0' ? ":" : "", port);
    }
}

static void look_up(struct party *party, const struct mongo_seed *seed, struct poke_report *out)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int error = getaddrinfo(seed->host, seed->port, &hints, &found);
    if (error == 0) {
        invite(party, seed, found, out);
        freeaddrinfo(found);
        return;
    }
    better(out, error == EAI_AGAIN ? POKE_DNS_SILENT : POKE_NO_NAME, seed->host, "");
}

static void find_seeds(const char *uri, struct party *party, struct poke_report *out)
{
    struct base_error error = {0};
    switch (mongo_seeds_find(uri, &party->seeds, &error)) {
    case GLEANER_OK:
        break;
    case GLEANER_E_TIMEOUT:
        better(out, POKE_DNS_SILENT, "the SRV records", "");
        break;
    case GLEANER_E_NETWORK:
        better(out, POKE_NO_NAME, "the SRV records", "");
        break;
    default:
        break; /* the driver says what is wrong with the URI */
    }
    out->uses_tls = party->seeds.uses_tls;
}

void poke(const char *uri, uint32_t timeout_ms, const _Atomic bool *must_end,
          struct poke_report *out)
{
    static const struct poke_report nothing;
    struct party *party = calloc(1, sizeof(*party));
    uint64_t started_ns = base_mono_ns();
    *out = nothing;
    if (party == NULL) {
        return;
    }
    find_seeds(uri, party, out);
    for (uint32_t i = 0; i < party->seeds.count && !must_end_now(must_end); i++) {
        look_up(party, &party->seeds.at[i], out);
    }
    for (uint32_t i = 0; i < party->count; i++) {
        dial(&party->talks[i]);
    }
    talk_to_all(party, base_mono_ns() + timeout_ms * BASE_NS_PER_MS, must_end);
    for (uint32_t i = 0; i < party->count; i++) {
        struct talk *talk = &party->talks[i];
        finish(talk, talk->answer);
        better(out, talk->answer, talk->seed->host, talk->seed->port);
    }
    if (must_end_now(must_end)) {
        out->answer = POKE_UNASKED;
    }
    out->waited_ms = (uint32_t)((base_mono_ns() - started_ns) / BASE_NS_PER_MS);
    free(party);
}

const char *poke_answer_name(enum poke_answer answer)
{
    static const char *const names[] = {
        [POKE_UNASKED] = "not asked",     [POKE_NO_NAME] = "no such name",
        [POKE_DNS_SILENT] = "DNS silent", [POKE_UNREACHABLE] = "unreachable",
        [POKE_BLACK_HOLE] = "black hole", [POKE_REFUSED] = "refused",
        [POKE_SILENT] = "silent",         [POKE_HUNG_UP] = "hung up",
        [POKE_WANTS_TLS] = "wants TLS",   [POKE_WANTS_PLAIN] = "wants no TLS",
        [POKE_NO_PRIMARY] = "no primary", [POKE_ANSWERED] = "answered",
    };
    return names[answer];
}
