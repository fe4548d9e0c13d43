/* SPDX-License-Identifier: Apache-2.0 */
/* The players that pages embed, as a table: host, where the id stands, what to make of it. */
#include "video.h"

#include <stdint.h>

struct player {
    const char *host;  /* this host or one under it */
    const char *path;  /* its path begins so; what follows is the id */
    const char *query; /* or: the id is this parameter's value */
    const char *watch; /* address before the id; NULL: the address as it is */
    const char *embed; /* the same in a frame; NULL: the address as it is */
};

#define YOUTUBE_WATCH "https://www.youtube.com/watch?v="
#define YOUTUBE_EMBED "https://www.youtube.com/embed/"
#define VIMEO_WATCH "https://vimeo.com/"
#define VIMEO_EMBED "https://player.vimeo.com/video/"
#define DAILYMOTION_WATCH "https://www.dailymotion.com/video/"
#define DAILYMOTION_EMBED "https://www.dailymotion.com/embed/video/"

/* First match counts. */
static const struct player players[] = {
    {"youtube.com", "/embed/videoseries", NULL, NULL, NULL}, /* a list has no id */
    {"youtube.com", "/embed/", NULL, YOUTUBE_WATCH, NULL},
    {"youtube.com", "/v/", NULL, YOUTUBE_WATCH, YOUTUBE_EMBED},
    {"youtube.com", "/shorts/", NULL, YOUTUBE_WATCH, YOUTUBE_EMBED},
    {"youtube.com", "/live/", NULL, YOUTUBE_WATCH, YOUTUBE_EMBED},
    {"youtube.com", "/watch", "v", YOUTUBE_WATCH, YOUTUBE_EMBED},
    {"youtube-nocookie.com", "/embed/videoseries", NULL, NULL, NULL},
    {"youtube-nocookie.com", "/embed/", NULL, YOUTUBE_WATCH, NULL},
    {"youtube-nocookie.com", "/v/", NULL, YOUTUBE_WATCH, YOUTUBE_EMBED},
    {"youtu.be", "/", NULL, YOUTUBE_WATCH, YOUTUBE_EMBED},
    {"player.vimeo.com", "/video/", NULL, VIMEO_WATCH, NULL},
    {"vimeo.com", "/event/", NULL, NULL, NULL},
    {"vimeo.com", "/", NULL, VIMEO_WATCH, VIMEO_EMBED},
    {"dailymotion.com", "/embed/video/", NULL, DAILYMOTION_WATCH, NULL},
    {"dailymotion.com", "/video/", NULL, DAILYMOTION_WATCH, DAILYMOTION_EMBED},
    {"dailymotion.com", "/player", "video", DAILYMOTION_WATCH, NULL},
    {"dai.ly", "/", NULL, DAILYMOTION_WATCH, DAILYMOTION_EMBED},
    {"player.twitch.tv", "/", NULL, NULL, NULL},
    {"clips.twitch.tv", "/embed", NULL, NULL, NULL},
    {"wistia.com", "/embed/", NULL, NULL, NULL},
    {"wistia.net", "/embed/", NULL, NULL, NULL},
    {"players.brightcove.net", "/", NULL, NULL, NULL},
    {"jwplayer.com", "/players/", NULL, NULL, NULL},
    {"jwplatform.com", "/players/", NULL, NULL, NULL},
    {"streamable.com", "/", NULL, NULL, NULL},
    {"rumble.com", "/embed/", NULL, NULL, NULL},
    {"odysee.com", "/$/embed/", NULL, NULL, NULL},
    {"facebook.com", "/plugins/video", NULL, NULL, NULL},
    {"tiktok.com", "/embed/", NULL, "https://www.tiktok.com/embed/", NULL},
    {"tiktok.com", "/player/", NULL, NULL, NULL},
    {"player.bilibili.com", "/", NULL, NULL, NULL},
    {"rutube.ru", "/play/embed/", NULL, "https://rutube.ru/video/", NULL},
    {"ok.ru", "/videoembed/", NULL, "https://ok.ru/video/", NULL},
    {"vk.com", "/video_ext.php", NULL, NULL, NULL},
    {"vkvideo.ru", "/video_ext.php", NULL, NULL, NULL},
    {"archive.org", "/embed/", NULL, "https://archive.org/details/", NULL},
    {"embed.ted.com", "/talks/", NULL, "https://www.ted.com/talks/", NULL},
    {"loom.com", "/embed/", NULL, "https://www.loom.com/share/", NULL},
    {"play.vidyard.com", "/", NULL, NULL, NULL},
    {"mediadelivery.net", "/embed/", NULL, NULL, NULL},
    {"kaltura.com", "/p/", NULL, NULL, NULL},
    {"media.ccc.de", "/v/", NULL, NULL, NULL},
    {"", "/videos/embed/", NULL, NULL, NULL}, /* PeerTube, on any host */
};

/* Parts of an absolute http(s) address. */
struct address {
    struct text_slice host, path, query;
};

static bool split(struct text_slice whole, struct address *out)
{
    size_t at = whole.len > 8 && whole.data[4] == 's' ? 8 : 7;
    if (whole.len <= at) {
        return false;
    }
    size_t host_end = at;
    while (host_end < whole.len && strchr("/?:", whole.data[host_end]) == NULL) {
        host_end++;
    }
    const char *path = memchr(whole.data + host_end, '/', whole.len - host_end);
    if (path == NULL) {
        return false;
    }
    size_t rest = (size_t)(whole.data + whole.len - path);
    const char *query = memchr(path, '?', rest);
    size_t path_len = query != NULL ? (size_t)(query - path) : rest;
    out->host = (struct text_slice){whole.data + at, host_end - at};
    out->path = (struct text_slice){path, path_len};
    out->query = query != NULL ? (struct text_slice){query + 1, rest - path_len - 1}
                               : (struct text_slice){"", 0};
    return true;
}

static bool is_host(struct text_slice host, const char *wanted)
{
    size_t len = strlen(wanted);
    return len == 0 || (host.len >= len && memcmp(host.data + host.len - len, wanted, len) == 0 &&
                        (host.len == len || host.data[host.len - len - 1] == '.'));
}

static bool starts_with(struct text_slice text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

/* Letters, digits, '-' and '_' at the front. */
static struct text_slice id_at(const char *data, size_t len)
{
    size_t n = 0;
    while (n < len && ((data[n] >= '0' && data[n] <= '9') || (data[n] >= 'a' && data[n] <= 'z') ||
                       (data[n] >= 'A' && data[n] <= 'Z') || data[n] == '-' || data[n] == '_')) {
        n++;
    }
    return (struct text_slice){data, n};
}

static struct text_slice id_of_query(struct text_slice query, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i + len < query.len; i++) {
        bool starts = i == 0 || query.data[i - 1] == '&';
        if (starts && memcmp(query.data + i, name, len) == 0 && query.data[i + len] == '=') {
            return id_at(query.data + i + len + 1, query.len - i - len - 1);
        }
    }
    return (struct text_slice){"", 0};
}

static void append(struct text_buffer *out, const char *prefix, struct text_slice id,
                   struct text_slice whole)
{
    if (prefix == NULL) {
        text_buffer_append(out, whole.data, whole.len);
    } else {
        text_buffer_append(out, prefix, strlen(prefix));
        text_buffer_append(out, id.data, id.len);
    }
}

bool video_known_player(struct text_slice whole, struct text_buffer *url, struct text_buffer *embed)
{
    struct address a;
    if (!split(whole, &a)) {
        return false;
    }
    for (size_t i = 0; i < sizeof players / sizeof players[0]; i++) {
        const struct player *p = &players[i];
        if (!is_host(a.host, p->host) || !starts_with(a.path, p->path)) {
            continue;
        }
        size_t skip = strlen(p->path);
        struct text_slice id = p->query != NULL ? id_of_query(a.query, p->query)
                                                : id_at(a.path.data + skip, a.path.len - skip);
        if ((p->watch != NULL || p->embed != NULL) && id.len == 0) {
            return false; /* a player without a video */
        }
        append(url, p->watch, id, whole);
        append(embed, p->embed, id, whole);
        return true;
    }
    return false;
}
