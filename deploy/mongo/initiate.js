// Makes the one server a replica set, once, and waits until it takes writes. Run by mongosh at every start of the stack.
try {
  rs.status();
} catch (problem) {
  if (problem.codeName !== "NotYetInitialized") throw problem;
  rs.initiate({ _id: "rs0", members: [{ _id: 0, host: "mongo:27017" }] });
}
while (!db.hello().isWritablePrimary) sleep(200);
print("the replica set takes writes");
