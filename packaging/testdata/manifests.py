"""Holds documents of Kubernetes against the models of its client, strictly: manifests.py FILE...

Prints what each container does about users, rights and volumes, as JSON.
"""

import json
import re
import sys

import yaml
from kubernetes import client


def check(kind, value, where):
    """Raises ValueError where the value is not what the model says."""
    for pattern, parts in ((r"list\[(.*)\]", list), (r"dict\((\w+), (.*)\)", dict)):
        if found := re.fullmatch(pattern, kind):
            if not isinstance(value, parts):
                raise ValueError(f"{where}: not a {parts.__name__}")
            for name, one in enumerate(value) if parts is list else value.items():
                check(found.group(found.lastindex), one, f"{where}.{name}")
            return
    plain = {"str": str, "int": int, "bool": bool, "float": (int, float), "object": object, "datetime": str}
    if kind in plain:
        if not isinstance(value, plain[kind]) or kind == "int" and isinstance(value, bool):
            # A port may have a number or a name.
            raise ValueError(f"{where}: {value!r} is not of type {kind}")
        return
    model = getattr(client, kind)
    names = {name: attribute for attribute, name in model.attribute_map.items()}
    if not isinstance(value, dict) or set(value) - set(names):
        raise ValueError(f"{where}: {kind} has no {sorted(set(value) - set(names)) if isinstance(value, dict) else value}")
    model(**{names[name]: one for name, one in value.items()})  # which wants what is required
    for name, one in value.items():
        check(model.openapi_types[names[name]], one, f"{where}.{name}")


def pod_of(document):
    spec = document["spec"]
    return spec["template"]["spec"] if "template" in spec else spec


containers = []
documents = 0
for path in sys.argv[1:]:
    with open(path) as file:
        for document in yaml.safe_load_all(file):
            group, _, version = document["apiVersion"].rpartition("/")
            name = group.split(".")[0].capitalize() if group == "" else ""
            check(version.capitalize() + name + document["kind"], document, f"{path}: {document['kind']}")
            documents += 1
            if document["kind"] == "ConfigMap":
                containers.append({"file": path, "config": document["data"]})
                continue
            pod = pod_of(document)
            volumes = {volume["name"] for volume in pod.get("volumes", [])}
            for container in pod.get("initContainers", []) + pod["containers"]:
                mounts = {mount["mountPath"]: mount for mount in container.get("volumeMounts", [])}
                for mount in mounts.values():
                    if mount["name"] not in volumes:
                        raise ValueError(f"{path}: {container['name']} mounts {mount['name']}, which is no volume")
                containers.append({
                    "file": path,
                    "name": container["name"],
                    "args": container.get("args", []),
                    "security": {**pod.get("securityContext", {}), **container.get("securityContext", {})},
                    "mounts": {path: bool(mount.get("readOnly")) for path, mount in mounts.items()},
                    "environment": {one["name"]: one["value"] for one in container.get("env", [])},
                })
if documents < 4:
    sys.exit(f"read {documents} documents")
print(json.dumps(containers))
