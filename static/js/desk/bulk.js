/* One change of many photos, by the API. */

/**
 * Sends it, and leaves out the photos that are refused. Returns their ids.
 *
 * `body` is that of POST /api/v1/images/bulk/.
 */
export async function changeMany(api, body) {
  const others = [];
  let { ids } = body;
  while (ids.length) {
    try {
      await api.post("images/bulk/", { ...body, ids });
      break;
    } catch (problem) {
      const refused = refusedPlaces(problem);
      if (!refused.size) throw problem;
      others.push(...ids.filter((_, place) => refused.has(place)));
      ids = ids.filter((_, place) => !refused.has(place));
    }
  }
  return others;
}

/** The places in `ids` that an answer names; the first twenty at most. */
function refusedPlaces({ status, body }) {
  if (status !== 409 && status !== 404) return new Set();
  const places = (body?.errors ?? []).map(({ pointer }) => /^#\/ids\/(\d+)$/.exec(pointer)?.[1]);
  return new Set(places.filter(Boolean).map(Number));
}
