"""Prints the golden numbers of statistics.test.ts: python3 golden-statistics.py (networkx 3.6.1)."""
import math
import networkx as nx

n = 41
g = nx.DiGraph()
g.add_nodes_from(range(n))
for v in range(n):
    for w in [(v * v + 1) % n, (3 * v + 2) % n, (v * v * v) % 7, v + 1 if v % 3 == 0 else v]:
        if v != w and w < n:
            g.add_edge(v, w)
rank = sorted(nx.pagerank(g, tol=1e-14, max_iter=1000).values(), reverse=True)
print("arcs", g.number_of_edges())
print("reciprocity", nx.overall_reciprocity(g))
print("clustering", nx.average_clustering(g.to_undirected()))
print("strong", max(map(len, nx.strongly_connected_components(g))), "weak", max(map(len, nx.weakly_connected_components(g))))
for x, y in [("out", "in"), ("out", "out"), ("in", "in"), ("in", "out")]:
    print(f"{x}-{y}", nx.degree_pearson_correlation_coefficient(g, x=x, y=y))
print("pagerank", sum(rank[: math.ceil(n / 10)]))
