"""An S3 server (moto) that checks signatures and rights. Says where it is on stdout; ends with its standard input."""

import json
import os
import sys

# The requests that set it up; every later one must be signed with a key that it knows.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "4"

import boto3  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
endpoint = f"http://{host}:{port}"
login = {"endpoint_url": endpoint, "region_name": "eu-central-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}

iam = boto3.client("iam", **login)
iam.create_user(UserName="backups")
key = iam.create_access_key(UserName="backups")["AccessKey"]
rights = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
iam.put_user_policy(UserName="backups", PolicyName="all", PolicyDocument=json.dumps(rights))
where = {"LocationConstraint": "eu-central-1"}
boto3.client("s3", **login).create_bucket(Bucket="backups", CreateBucketConfiguration=where)

print(json.dumps({"endpoint": endpoint, "id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}), flush=True)
sys.stdin.read()
server.stop()
