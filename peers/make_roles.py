"""Makes an IAM user with one policy for each role. Arguments: ENDPOINT REGION POLICIES (JSON).

POLICIES maps a role to its policy document. Prints each role's access key.
"""

import json
import sys
import uuid

import boto3


def main():
    endpoint, region, policies = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    iam = boto3.client("iam", endpoint_url=endpoint, region_name=region)
    keys = {}
    for role, policy in policies.items():
        user = f"{role}-{uuid.uuid4().hex[:8]}"
        iam.create_user(UserName=user)
        iam.put_user_policy(UserName=user, PolicyName=role, PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=user)["AccessKey"]
        keys[role] = {"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
    print(json.dumps(keys))


if __name__ == "__main__":
    main()
