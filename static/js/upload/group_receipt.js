/* The receipt of a member for one group. The API gives members a page at a time. */

const PAGE_SIZE = 200;
const MAX_PAGES = 5; // as many as a guest's whole receipt has

export async function readPages(api, query) {
  const results = [];
  let path = `uploads/?group=${api.group}&limit=${PAGE_SIZE}${query.replace("?", "&")}`;
  let first = null;
  for (let number = 0; path && number < MAX_PAGES; number += 1) {
    const page = await api.get(path);
    first ??= page; // what it dates is older than what the next pages say
    results.push(...page.results);
    path = page.next && `uploads/${new URL(page.next).search}`;
  }
  return { ...first, results };
}
