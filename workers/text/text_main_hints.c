/* SPDX-License-Identifier: Apache-2.0 */
/* Names in class and id attributes, as words: "ArticleBody--shareTools" is article, body, share,
 * tools. Words, not substrings: "shareholder" and "navigator" are none of ours. */
#include "text_main.h"

#include <stdlib.h>
#include <strings.h>

#define WORD_BYTES 32

struct word {
    const char *text;
    unsigned hint;
};

/* Sorted, for bsearch. Source: the names that readability, boilerpipe and trafilatura look for, as
 * far as they are whole words, and what German, French, Spanish and Polish sites call the same. */
static const struct word words[] = {
    {"ad", HINT_NOISE},
    {"addthis", HINT_NOISE},
    {"ads", HINT_NOISE},
    {"adsbygoogle", HINT_NOISE},
    {"adslot", HINT_NOISE},
    {"adv", HINT_NOISE},
    {"advert", HINT_NOISE},
    {"advertisement", HINT_NOISE},
    {"advertising", HINT_NOISE},
    {"affiliate", HINT_NOISE},
    {"anzeige", HINT_NOISE},
    {"articlebody", HINT_BODY},
    {"articlecontent", HINT_BODY},
    {"articletext", HINT_BODY},
    {"author", HINT_NOISE},
    {"authors", HINT_NOISE},
    {"autor", HINT_NOISE},
    {"autorin", HINT_NOISE},
    {"bajada", HINT_LEAD},
    {"banner", HINT_NOISE},
    {"bio", HINT_NOISE},
    {"bodycopy", HINT_BODY},
    {"bodytext", HINT_BODY},
    {"breadcrumb", HINT_NOISE},
    {"breadcrumbs", HINT_NOISE},
    {"byline", HINT_NOISE},
    {"caption", HINT_NOISE},
    {"captions", HINT_NOISE},
    {"chapeau", HINT_LEAD},
    {"chapo", HINT_LEAD},
    {"comentario", HINT_COMMENT},
    {"comentarios", HINT_COMMENT},
    {"comment", HINT_COMMENT},
    {"commentaire", HINT_COMMENT},
    {"commentaires", HINT_COMMENT},
    {"commentlist", HINT_COMMENT},
    {"comments", HINT_COMMENT},
    {"consent", HINT_NOISE},
    {"contactbox", HINT_NOISE},
    {"content", HINT_CONTENT},
    {"cookie", HINT_NOISE},
    {"cookies", HINT_NOISE},
    {"copyright", HINT_NOISE},
    {"credit", HINT_NOISE},
    {"credits", HINT_NOISE},
    {"crumb", HINT_NOISE},
    {"crumbs", HINT_NOISE},
    {"dateline", HINT_NOISE},
    {"dek", HINT_LEAD},
    {"disclaimer", HINT_NOISE},
    {"discussion", HINT_COMMENT},
    {"disqus", HINT_COMMENT},
    {"dropdown", HINT_NOISE},
    {"editsection", HINT_NOISE},
    {"entrycontent", HINT_BODY},
    {"excerpt", HINT_LEAD},
    {"feedback", HINT_NOISE},
    {"footer", HINT_NOISE},
    {"gdpr", HINT_NOISE},
    {"header", HINT_NOISE},
    {"impressum", HINT_NOISE},
    {"imprint", HINT_NOISE},
    {"intro", HINT_LEAD},
    {"jump", HINT_NOISE},
    {"komentarze", HINT_COMMENT},
    {"kommentar", HINT_COMMENT},
    {"kommentare", HINT_COMMENT},
    {"lead", HINT_LEAD},
    {"legal", HINT_NOISE},
    {"login", HINT_NOISE},
    {"main", HINT_CONTENT},
    {"masthead", HINT_NOISE},
    {"menu", HINT_NOISE},
    {"meta", HINT_NOISE},
    {"metadata", HINT_NOISE},
    {"modal", HINT_NOISE},
    {"mostread", HINT_NOISE},
    {"nav", HINT_NOISE},
    {"navbar", HINT_NOISE},
    {"navbox", HINT_NOISE},
    {"navfooter", HINT_NOISE},
    {"navheader", HINT_NOISE},
    {"navigation", HINT_NOISE},
    {"newsletter", HINT_NOISE},
    {"nocontent", HINT_NOISE},
    {"noprint", HINT_NOISE},
    {"outbrain", HINT_NOISE},
    {"overlay", HINT_NOISE},
    {"pager", HINT_NOISE},
    {"pagination", HINT_NOISE},
    {"paywall", HINT_NOISE},
    {"popular", HINT_NOISE},
    {"popup", HINT_NOISE},
    {"postbody", HINT_BODY},
    {"postcontent", HINT_BODY},
    {"postmetadata", HINT_NOISE},
    {"promo", HINT_NOISE},
    {"promotion", HINT_NOISE},
    {"publicidad", HINT_NOISE},
    {"rating", HINT_NOISE},
    {"ratings", HINT_NOISE},
    {"readmore", HINT_NOISE},
    {"recirc", HINT_NOISE},
    {"recirculation", HINT_NOISE},
    {"recommendation", HINT_NOISE},
    {"recommendations", HINT_NOISE},
    {"recommended", HINT_NOISE},
    {"reklama", HINT_NOISE},
    {"relacionadas", HINT_NOISE},
    {"related", HINT_NOISE},
    {"replies", HINT_COMMENT},
    {"reply", HINT_COMMENT},
    {"respond", HINT_COMMENT},
    {"richtext", HINT_BODY},
    {"rss", HINT_NOISE},
    {"search", HINT_NOISE},
    {"seealso", HINT_NOISE},
    {"share", HINT_NOISE},
    {"sharebar", HINT_NOISE},
    {"sharedaddy", HINT_NOISE},
    {"sharing", HINT_NOISE},
    {"sidebar", HINT_NOISE},
    {"signup", HINT_NOISE},
    {"sitemap", HINT_NOISE},
    {"sociable", HINT_NOISE},
    {"social", HINT_NOISE},
    {"sponsor", HINT_NOISE},
    {"sponsored", HINT_NOISE},
    {"standfirst", HINT_LEAD},
    {"storybody", HINT_BODY},
    {"storycontent", HINT_BODY},
    {"storytext", HINT_BODY},
    {"subhead", HINT_LEAD},
    {"subheadline", HINT_LEAD},
    {"subscribe", HINT_NOISE},
    {"subscription", HINT_NOISE},
    {"taboola", HINT_NOISE},
    {"taglist", HINT_NOISE},
    {"tags", HINT_NOISE},
    {"teasers", HINT_NOISE},
    {"timestamp", HINT_NOISE},
    {"toolbar", HINT_NOISE},
    {"tools", HINT_NOISE},
    {"topics", HINT_NOISE},
    {"trending", HINT_NOISE},
    {"vorspann", HINT_LEAD},
    {"werbung", HINT_NOISE},
    {"widget", HINT_NOISE},
    {"widgets", HINT_NOISE},
};

static int compare_word(const void *key, const void *entry)
{
    return strcmp(key, ((const struct word *)entry)->text);
}

static bool is_one_of(const char *word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(word, list[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Two words that mean something together. */
static unsigned hint_of_pair(const char *first, const char *second)
{
    static const char *const texts[] = {"article", "story", "post", "entry", "blog", "news"};
    static const char *const bodies[] = {"body", "content", "text", "copy"};
    if (is_one_of(first, texts, 6) && is_one_of(second, bodies, 4)) {
        return HINT_BODY;
    }
    if (strcmp(first, "teaser") == 0 && strcmp(second, "text") == 0) {
        return HINT_LEAD;
    }
    bool is_more = (strcmp(first, "read") == 0 && strcmp(second, "more") == 0) ||
                   (strcmp(first, "most") == 0 && strcmp(second, "read") == 0) ||
                   (strcmp(first, "see") == 0 && strcmp(second, "also") == 0) ||
                   (strcmp(first, "more") == 0 && strcmp(second, "stories") == 0) ||
                   (strcmp(first, "up") == 0 && strcmp(second, "next") == 0) ||
                   (strcmp(first, "sr") == 0 && strcmp(second, "only") == 0) ||
                   (strcmp(first, "screen") == 0 && strcmp(second, "reader") == 0) ||
                   (strcmp(first, "visually") == 0 && strcmp(second, "hidden") == 0);
    return is_more ? HINT_NOISE : 0;
}

/* The next word in lower case; a capital behind a small letter begins one. */
static bool next_word(struct text_slice *rest, char *word)
{
    size_t i = 0;
    size_t len = 0;
    const char *s = rest->data;
    while (i < rest->len && !((s[i] | 32) >= 'a' && (s[i] | 32) <= 'z')) {
        i++;
    }
    bool was_small = false;
    for (; i < rest->len && (s[i] | 32) >= 'a' && (s[i] | 32) <= 'z'; i++) {
        bool is_small = s[i] >= 'a';
        if (len > 0 && was_small && !is_small) {
            break;
        }
        was_small = is_small;
        if (len < WORD_BYTES - 1) {
            word[len++] = (char)(s[i] | 32);
        }
    }
    word[len] = '\0';
    rest->data += i;
    rest->len -= i;
    return len > 0;
}

unsigned text_main_hints(struct text_slice names)
{
    char word[WORD_BYTES];
    char last[WORD_BYTES] = "";
    unsigned hints = 0;
    bool is_builder = false; /* page builders call every part a widget */
    while (next_word(&names, word)) {
        const struct word *known =
            bsearch(word, words, sizeof words / sizeof words[0], sizeof words[0], compare_word);
        is_builder =
            is_builder || strcmp(word, "elementor") == 0 || strcmp(word, "siteorigin") == 0;
        if (known != NULL && !(is_builder && strncmp(word, "widget", 6) == 0)) {
            hints |= known->hint;
        }
        hints |= hint_of_pair(last, word);
        memcpy(last, word, sizeof last);
    }
    return hints;
}

bool text_main_is_slogan(struct text_slice line)
{
    static const char *const starts[] = {
        "advertisement",
        "read more",
        "read also",
        "also read",
        "continue reading",
        "share this",
        "share on",
        "sign up",
        "subscribe",
        "follow us",
        "related:",
        "related article",
        "related stor",
        "see also:",
        "click here",
        "story continues",
        "article continues",
        "sponsored",
        "recommended",
        "more:",
        "don't miss",
        "skip to",
        "print this",
        "watch:",
        "share:",
        "loading",
        "image source",
        "tags:",
        "filed under",
        "posted in",
        "leave a comment",
        "view comments",
        "copyright ",
        "all rights reserved",
        "das könnte",
        "auch interessant",
        "mehr zum thema",
        "lesen sie auch",
        "lesen sie mehr",
        "lesen sie hier",
        "le puede interesar",
        "te puede interesar",
        "también te puede",
        "lea también",
        "lea además",
        "czytaj także",
        "lire aussi",
        "à lire aussi",
        "leggi anche",
        "zum weiterlesen",
        "weitere informationen",
        "foto:",
        "fotos:",
        "bild:",
        "photo:",
        "photos:",
        "crédits photo",
        "źródło:",
        "quelle:",
        "teilen sie",
    };
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        size_t len = strlen(starts[i]);
        if (line.len >= len && strncasecmp(line.data, starts[i], len) == 0) {
            return true;
        }
    }
    return false;
}
